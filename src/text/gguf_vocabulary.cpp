#include <map>
#include <set>

#include "bpe_tokenizer.h"
#include "byte_level.h"
#include "gguf_sentencepiece.h"
#include "json_field.h"
#include "medseg/base/str.h"
#include "sentencepiece_tokenizer.h"
#include "unicode.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr std::int32_t kControl = 3;  // token types of GGUF
constexpr std::int32_t kUserDefined = 4;

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json split(const char* pattern) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", pattern}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

json sequence(std::vector<json> steps) {
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

struct Rule {
  json pre_tokenizer;
  json normalizer = nullptr;
  bool ignore_merges = false;
};

// Pre-tokenizers by `tokenizer.ggml.pre`; each splits words as that family's own tokenizer does.
const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> table = [] {
    const Rule gpt2{.pre_tokenizer = byte_level(true)};
    const Rule digits{.pre_tokenizer = sequence(
                          {{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)})};
    const Rule llama3{.pre_tokenizer = sequence({split(kLlama3Pattern), byte_level(false)}),
                      .ignore_merges = true};
    const Rule qwen2{.pre_tokenizer = sequence({split(kQwen2Pattern), byte_level(false)}),
                     .normalizer = {{"type", "NFC"}}};
    const Rule fallback{.pre_tokenizer = sequence({split(R"([\p{P}\$\+<=>\^~\|]+)"),
                                                   split(kGpt2Pattern), split(R"(\p{N}+)"),
                                                   split("[0-9][0-9][0-9]"), byte_level(false)})};
    return std::map<std::string, Rule>{
        {"default", fallback}, {"gpt-2", gpt2},      {"phi-2", gpt2},       {"smollm", digits},
        {"starcoder", digits}, {"refact", digits},   {"command-r", digits}, {"llama-bpe", llama3},
        {"llama3", llama3},    {"llama-v3", llama3}, {"qwen2", qwen2}};
  }();
  return table;
}

const Rule& rule_of(const std::string& pre) {
  const auto it = rules().find(pre.empty() ? "default" : pre);
  if (it != rules().end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [name, rule] : rules()) known.push_back(name);
  throw CheckpointError("tokenizer.ggml.pre",
                        str_cat("unknown \"", pre, "\"; known are ", join(known, " ")));
}

std::pair<std::string, std::string> merge_of(const std::string& text, std::size_t rank) {
  if (!is_valid_utf8(text)) {
    throw CheckpointError(str_cat("tokenizer.ggml.merges[", rank, "]"), "is not UTF-8");
  }
  const auto blank = text.find(' ', 1);
  if (text.size() < 3 || blank == std::string::npos || blank + 1 == text.size()) {
    throw CheckpointError(
        str_cat("tokenizer.ggml.merges[", rank, "]: expected two tokens, got \"", text, "\""));
  }
  return {text.substr(0, blank), text.substr(blank + 1)};
}

json added_token(std::int64_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

json bos_template(const std::string& token, std::int64_t id) {
  const json word = {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  const auto text = [](const char* name, int type) {
    return json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const json second = {{"SpecialToken", {{"id", token}, {"type_id", 1}}}};
  return {
      {"type", "TemplateProcessing"},
      {"single", json::array({word, text("A", 0)})},
      {"pair", json::array({word, text("A", 0), second, text("B", 1)})},
      {"special_tokens",
       {{token, {{"id", token}, {"ids", json::array({id})}, {"tokens", json::array({token})}}}}}};
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary, TokenizerMode mode) {
  if (vocabulary.model == "llama") {
    return std::make_unique<SentencePieceTokenizer>(sentencepiece_files_of(vocabulary), mode,
                                                    "tokenizer.ggml");
  }
  if (vocabulary.model != "gpt2") {
    throw CheckpointError("tokenizer.ggml.model",
                          str_cat("unknown \"", vocabulary.model,
                                  "\"; known are gpt2 (byte-level BPE) and llama (SentencePiece)"));
  }
  const auto& rule = rule_of(vocabulary.pre);
  const auto& tokens = vocabulary.tokens;
  if (tokens.empty()) throw CheckpointError("tokenizer.ggml.tokens", "is empty");
  if (!vocabulary.types.empty() && vocabulary.types.size() != tokens.size()) {
    throw CheckpointError(
        "tokenizer.ggml.token_type",
        str_cat(vocabulary.types.size(), " types for ", tokens.size(), " tokens"));
  }
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!is_valid_utf8(tokens[id])) {
      throw CheckpointError(str_cat("tokenizer.ggml.tokens[", id, "]"), "is not UTF-8");
    }
  }
  BpeDefinition definition{.tokens = tokens, .merges = {}, .ignore_merges = rule.ignore_merges};
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    definition.merges.push_back(merge_of(vocabulary.merges[rank], rank));
  }

  json frame = {{"version", "1.0"},
                {"truncation", nullptr},
                {"padding", nullptr},
                {"normalizer", rule.normalizer},
                {"pre_tokenizer", rule.pre_tokenizer},
                {"post_processor", nullptr},
                {"decoder", byte_level(true)},
                {"added_tokens", json::array()}};
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  std::set<std::int64_t> special;
  const auto role = [&](const char* key, const std::optional<std::int64_t>& id) {
    if (!id) return;
    if (*id < 0 || *id >= static_cast<std::int64_t>(tokens.size())) {
      throw CheckpointError("tokenizer.ggml", str_cat(key, " ", *id, " is not an id; there are ",
                                                      tokens.size(), " tokens"));
    }
    config[key] = tokens[static_cast<std::size_t>(*id)];
    special.insert(*id);
  };
  role("bos_token", vocabulary.bos);
  role("eos_token", vocabulary.eos);
  role("unk_token", vocabulary.unknown);
  role("pad_token", vocabulary.padding);
  for (std::size_t id = 0; id < vocabulary.types.size(); ++id) {
    const auto type = vocabulary.types[id];
    const bool marker = type == kControl || special.contains(static_cast<std::int64_t>(id));
    if (marker || type == kUserDefined) {
      frame["added_tokens"].push_back(
          added_token(static_cast<std::int64_t>(id), tokens[id], marker));
    }
  }
  if (vocabulary.add_bos && vocabulary.bos) {
    frame["post_processor"] = bos_template(config["bos_token"], *vocabulary.bos);
  }
  return std::make_unique<BpeTokenizer>(std::move(frame), std::move(config), std::move(definition),
                                        "tokenizer.ggml");
}

}  // namespace medseg
