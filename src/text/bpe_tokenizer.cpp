#include "bpe_tokenizer.h"

#include <algorithm>

#include "json_field.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "post_processor.h"
#include "unicode.h"

namespace medseg {
namespace {

constexpr const char* kKeptConfig[] = {"add_bos_token",
                                       "add_eos_token",
                                       "bos_token",
                                       "chat_template",
                                       "clean_up_tokenization_spaces",
                                       "eos_token",
                                       "model_max_length",
                                       "pad_token",
                                       "tokenizer_class",
                                       "unk_token"};

// These stay when markers such as BOS are left out, because they are part of an answer's text.
bool is_answer_word(std::string_view token) {
  return token == kSegToken || token == kPhraseOpen || token == kPhraseClose;
}

std::string token_name(const nlohmann::json& config, const char* key) {  // "…" or {"content": "…"}
  const auto it = config.find(key);
  if (it == config.end()) return "";
  const auto& value = it->is_object() && it->contains("content") ? (*it)["content"] : *it;
  return value.is_string() ? value.get<std::string>() : "";
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
  read_special_roles(where);
  frame_.erase("model");
  frame_.erase("added_tokens");
}

void BpeTokenizer::read_added_tokens(const std::string& where) {
  const auto list = optional_field<std::vector<nlohmann::json>>(frame_, "added_tokens", where)
                        .value_or(std::vector<nlohmann::json>{});
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto token_where = str_cat(where, ": added_tokens[", i, "]");
    AddedToken token{.content = required_field<std::string>(list[i], "content", token_where),
                     .id = required_field<std::int64_t>(list[i], "id", token_where),
                     .special = field_or(list[i], "special", token_where, false),
                     .normalized = field_or(list[i], "normalized", token_where, false),
                     .lstrip = field_or(list[i], "lstrip", token_where, false),
                     .rstrip = field_or(list[i], "rstrip", token_where, false),
                     .single_word = field_or(list[i], "single_word", token_where, false)};
    if (token.id < 0 || token.id > size_ + static_cast<std::int64_t>(list.size()) + 65536) {
      throw CheckpointError(token_where, str_cat("id ", token.id, " is out of range"));
    }
    const auto in_model = model_.id_of(token.content);
    if (in_model && *in_model != token.id) {
      throw CheckpointError(token_where, str_cat("\"", token.content, "\" has the ids ", token.id,
                                                 " and ", *in_model));
    }
    const auto& tokens = model_.definition().tokens;
    const auto at = static_cast<std::size_t>(token.id);
    const bool taken = !in_model && at < tokens.size() && !tokens[at].empty();
    if (taken || added_by_id_.contains(token.id)) {
      throw CheckpointError(token_where,
                            str_cat("\"", token.content, "\" and \"",
                                    taken ? tokens[at] : added_by_id_[token.id]->content,
                                    "\" share the id ", token.id));
    }
    if (added_ids_.contains(token.content)) {
      throw CheckpointError(token_where, str_cat("\"", token.content, "\" occurs twice"));
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

// tokenizer_config.json decides whether BOS or EOS is added, even against the post-processor, as in
// transformers.
void BpeTokenizer::read_special_roles(const std::string& where) {
  const auto processor = frame_.find("post_processor");
  const auto frame = special_frame(processor == frame_.end() ? nlohmann::json() : *processor,
                                   where + ": post_processor");
  const auto config_where = where + ": tokenizer_config.json";
  const auto role = [&](const char* token_key, const char* asked_key, const std::string& framed,
                        std::optional<std::int64_t>& id, bool& adds) {
    const auto asked = optional_field<bool>(config_, asked_key, config_where);
    const auto named = token_name(config_, token_key);
    const auto& name = asked || framed.empty() ? named : framed;
    if (!name.empty()) id = id_of(name);
    adds = id && asked.value_or(!framed.empty());
    if (!framed.empty() && !id_of(framed)) {
      throw CheckpointError(where,
                            str_cat("post_processor: \"", framed, "\" is not in the vocabulary"));
    }
  };
  role("bos_token", "add_bos_token", frame.front, bos_, adds_bos_);
  role("eos_token", "add_eos_token", frame.back, eos_, adds_eos_);
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
    MEDSEG_CHECK(known, str_cat("decode: id ", id, " is not a token; the vocabulary has ", size_));
    texts.push_back({tokens[static_cast<std::size_t>(id)], false});
  }
  return decoder_.decode(std::move(texts));
}

std::size_t BpeTokenizer::settled(const std::vector<std::int64_t>& ids) const {
  std::size_t count = ids.size();
  const auto& tokens = model_.definition().tokens;
  const auto is_byte = [&](std::int64_t id) {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end()) return byte_of_token(added->second->content).has_value();
    const auto at = static_cast<std::size_t>(id);
    return at < tokens.size() && byte_of_token(tokens[at]).has_value();
  };
  while (decoder_.joins_byte_tokens() && count > 0 && is_byte(ids[count - 1])) --count;
  return count;
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
  if (model == frame.end()) throw CheckpointError(file.string(), "model: missing");
  auto definition = read_bpe_definition(*model, file.string() + ": model");
  frame.erase("model");
  const auto config_file = file.parent_path() / "tokenizer_config.json";
  auto config = std::filesystem::exists(config_file) ? read_json_object(config_file)
                                                     : nlohmann::json::object();
  return std::make_unique<BpeTokenizer>(std::move(frame), std::move(config), std::move(definition),
                                        file.string());
}

}  // namespace medseg
