#include "bpe_tokenizer.h"

#include <algorithm>

#include "json_field.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "unicode.h"

namespace medseg {
namespace {

constexpr const char* kKeptConfig[] = {
    "add_bos_token", "bos_token",        "chat_template", "clean_up_tokenization_spaces",
    "eos_token",     "model_max_length", "pad_token",     "tokenizer_class",
    "unk_token"};

// The words of an answer stay when markers such as BOS are left out of a text.
bool is_answer_word(std::string_view token) {
  return token == kSegToken || token == kPhraseOpen || token == kPhraseClose;
}

std::string token_name(const nlohmann::json& config, const char* key) {  // "…" or {"content": "…"}
  const auto it = config.find(key);
  if (it == config.end()) return "";
  const auto& value = it->is_object() && it->contains("content") ? (*it)["content"] : *it;
  return value.is_string() ? value.get<std::string>() : "";
}

// The special token that a post-processor puts in front of a single text.
std::string leading_token(const nlohmann::json& processor) {
  if (!processor.is_object()) return "";
  const auto type = string_or_empty(processor, "type");
  if (type == "Sequence" && processor.contains("processors")) {
    for (const auto& part : processor["processors"]) {
      if (const auto token = leading_token(part); !token.empty()) return token;
    }
  }
  if (type == "TemplateProcessing" && processor.contains("single") &&
      processor["single"].is_array() && !processor["single"].empty()) {
    const auto& first = processor["single"][0];
    if (first.is_object() && first.contains("SpecialToken")) {
      return string_or_empty(first["SpecialToken"], "id");
    }
  }
  return "";
}

}  // namespace

BpeTokenizer::BpeTokenizer(nlohmann::json frame, nlohmann::json config, BpeDefinition model,
                           const std::string& where)
    : frame_(std::move(frame)), model_(std::move(model), where + ": model") {
  const auto part = [&](const char* key) {
    const auto it = frame_.find(key);
    return it == frame_.end() ? nlohmann::json() : *it;
  };
  normalizer_ = Normalizer(part("normalizer"), where + ": normalizer");
  pre_tokenizer_ = PreTokenizer(part("pre_tokenizer"), where + ": pre_tokenizer");
  decoder_ = TokenDecoder(part("decoder"), where + ": decoder");
  for (const char* key : kKeptConfig) {
    if (config.contains(key)) config_[key] = config[key];
  }
  size_ = static_cast<std::int64_t>(model_.definition().tokens.size());
  read_added_tokens(where);
  read_special_roles();
  frame_.erase("model");
  frame_.erase("added_tokens");
}

void BpeTokenizer::read_added_tokens(const std::string& where) {
  const auto list = optional_field<std::vector<nlohmann::json>>(frame_, "added_tokens", where)
                        .value_or(std::vector<nlohmann::json>{});
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto place = str(where, ": added_tokens[", i, "]");
    AddedToken token{.content = required_field<std::string>(list[i], "content", place),
                     .id = required_field<std::int64_t>(list[i], "id", place),
                     .special = field_or(list[i], "special", place, false),
                     .normalized = field_or(list[i], "normalized", place, false),
                     .lstrip = field_or(list[i], "lstrip", place, false),
                     .rstrip = field_or(list[i], "rstrip", place, false),
                     .single_word = field_or(list[i], "single_word", place, false)};
    if (token.id < 0 || token.id > size_ + static_cast<std::int64_t>(list.size()) + 65536) {
      throw DataError(str(place, ": id ", token.id, " is out of range"));
    }
    const auto in_model = model_.id_of(token.content);
    if (in_model && *in_model != token.id) {
      throw DataError(
          str(place, ": \"", token.content, "\" has the ids ", token.id, " and ", *in_model));
    }
    const auto& tokens = model_.definition().tokens;
    const auto at = static_cast<std::size_t>(token.id);
    const bool taken = !in_model && at < tokens.size() && !tokens[at].empty();
    if (taken || added_by_id_.contains(token.id)) {
      throw DataError(str(place, ": \"", token.content, "\" and \"",
                          taken ? tokens[at] : added_by_id_[token.id]->content, "\" share the id ",
                          token.id));
    }
    if (added_ids_.contains(token.content)) {
      throw DataError(str(place, ": \"", token.content, "\" stands twice"));
    }
    add(std::move(token));
  }
}

void BpeTokenizer::add(AddedToken token) {
  if (token.normalized) {
    token.shown = token.content;
    normalizer_.apply(token.shown, /*glued=*/false);
  }
  const auto& kept = added_.emplace_back(std::move(token));
  added_by_id_[kept.id] = &kept;
  added_ids_[kept.content] = kept.id;
  size_ = std::max(size_, kept.id + 1);
  if (kept.normalized) {
    normalized_matcher_.add(kept.shown, &kept);
  } else {
    raw_matcher_.add(kept.content, &kept);
  }
}

void BpeTokenizer::read_special_roles() {
  const auto leading = leading_token(frame_.contains("post_processor") ? frame_["post_processor"]
                                                                       : nlohmann::json());
  auto name = token_name(config_, "bos_token");
  if (name.empty()) name = leading;
  if (!name.empty()) bos_ = id_of(name);
  if (const auto end = token_name(config_, "eos_token"); !end.empty()) eos_ = id_of(end);
  const auto asked = config_.find("add_bos_token");
  adds_bos_ = bos_ && (asked != config_.end() && asked->is_boolean() ? asked->get<bool>()
                                                                     : !leading.empty());
}

std::vector<std::int64_t> BpeTokenizer::encode(std::string_view text) const {
  return encode_after(text, After::kNothing);
}

std::vector<std::int64_t> BpeTokenizer::encode_after(std::string_view given, After after) const {
  std::vector<std::int64_t> ids;
  const std::string text = valid_utf8(given);
  for (const auto& cut : raw_matcher_.cut(text)) {
    if (cut.token != nullptr) {
      ids.push_back(cut.token->id);
    } else {
      encode_plain(text.substr(cut.begin, cut.end - cut.begin),
                   cut.begin == 0 && after == After::kNothing,
                   cut.begin == 0 && after == After::kText, ids);
    }
  }
  return ids;
}

void BpeTokenizer::encode_plain(std::string text, bool at_start, bool glued,
                                std::vector<std::int64_t>& ids) const {
  normalizer_.apply(text, glued);
  for (const auto& cut : normalized_matcher_.cut(text)) {
    if (cut.token != nullptr) {
      ids.push_back(cut.token->id);
      continue;
    }
    const bool first = cut.begin == 0;
    std::vector<Word> words = {
        {text.substr(cut.begin, cut.end - cut.begin), at_start && first, glued && first}};
    pre_tokenizer_.apply(words);
    for (const auto& word : words) model_.encode(word.text, ids);
  }
}

std::string BpeTokenizer::decode(const std::vector<std::int64_t>& ids, bool skip_special) const {
  const auto& tokens = model_.definition().tokens;
  std::vector<TokenText> texts;
  texts.reserve(ids.size());
  for (const auto id : ids) {
    if (const auto it = added_by_id_.find(id); it != added_by_id_.end()) {
      const auto& token = *it->second;
      if (skip_special && token.special && !is_answer_word(token.content)) continue;
      texts.push_back({token.normalized ? token.shown : token.content, true});
      continue;
    }
    const bool known = id >= 0 && id < static_cast<std::int64_t>(tokens.size()) &&
                       !tokens[static_cast<std::size_t>(id)].empty();
    MEDSEG_CHECK(known, str("decode: id ", id, " is no token; the vocabulary has ", size_));
    texts.push_back({tokens[static_cast<std::size_t>(id)], false});
  }
  return decoder_.decode(std::move(texts));
}

std::optional<std::int64_t> BpeTokenizer::id_of(std::string_view token) const {
  if (const auto it = added_ids_.find(token); it != added_ids_.end()) return it->second;
  return model_.id_of(token);
}

std::vector<std::int64_t> BpeTokenizer::add_tokens(const std::vector<std::string>& tokens) {
  std::vector<std::int64_t> ids;
  for (const auto& content : tokens) {
    if (!added_ids_.contains(content)) {
      add({.content = content, .id = model_.id_of(content).value_or(size_), .special = true});
    }
    ids.push_back(added_ids_.at(content));
  }
  return ids;
}

nlohmann::json BpeTokenizer::added_tokens_json() const {
  auto list = nlohmann::json::array();
  for (const auto& [id, token] : added_by_id_) {
    list.push_back({{"id", id},
                    {"content", token->content},
                    {"single_word", token->single_word},
                    {"lstrip", token->lstrip},
                    {"rstrip", token->rstrip},
                    {"normalized", token->normalized},
                    {"special", token->special}});
  }
  return list;
}

void BpeTokenizer::save(const std::filesystem::path& folder) const {
  auto json = frame_;
  for (const char* key :
       {"truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    if (!json.contains(key)) json[key] = nullptr;
  }
  if (!json.contains("version")) json["version"] = "1.0";
  json["added_tokens"] = added_tokens_json();
  json["model"] = model_.to_json();
  write_file(folder / "tokenizer.json", json.dump());
  if (!config_.empty()) write_file(folder / "tokenizer_config.json", config_.dump(2));
}

std::string BpeTokenizer::fingerprint() const {
  const auto& definition = model_.definition();
  std::string bytes;
  for (const auto& token : definition.tokens) bytes.append(token).push_back('\0');
  bytes.push_back('\n');
  for (const auto& [left, right] : definition.merges) {
    bytes.append(left).append(" ").append(right).push_back('\0');
  }
  return sha256(bytes + "\n" + added_tokens_json().dump());
}

std::unique_ptr<Tokenizer> load_bpe_tokenizer(const std::filesystem::path& file) {
  auto frame = read_json_object(file);
  const auto model = frame.find("model");
  if (model == frame.end()) throw DataError(file.string() + ": model: missing");
  auto definition = read_bpe_definition(*model, file.string() + ": model");
  frame.erase("model");
  const auto config_file = file.parent_path() / "tokenizer_config.json";
  auto config = std::filesystem::exists(config_file) ? read_json_object(config_file)
                                                     : nlohmann::json::object();
  return std::make_unique<BpeTokenizer>(std::move(frame), std::move(config), std::move(definition),
                                        file.string());
}

}  // namespace medseg
