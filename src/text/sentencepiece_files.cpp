#include "sentencepiece_files.h"

#include <algorithm>

#include "json_field.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

// The order in which transformers appends special tokens that have no id.
constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
constexpr std::size_t kSeparator = 3, kPadding = 4;
constexpr const char* kMoreSpecials = "additional_special_tokens";

struct Special {
  std::string name = {};
  std::optional<bool> lstrip = {}, rstrip = {};  // nothing if only the name is given
};

void refuse_single_word(const json& token, const std::string& where) {
  if (field_or(token, "single_word", where, false)) {
    throw CheckpointError(where + ".single_word", "is not known for SentencePiece tokenizers");
  }
}

std::int64_t id_of_key(const std::string& key, const std::string& where) {
  if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != std::string::npos) {
    throw CheckpointError(where, str_cat("\"", key, "\" is not an id"));
  }
  return std::stoll(key);
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& model_file) : folder_(model_file.parent_path()) {
    files_.model = read_file(model_file);
  }

  SentencePieceFiles read() {
    read_config();
    read_special_map();
    read_added_tokens();
    note_specials();
    return std::move(files_);
  }

 private:
  std::optional<json> object_of(const char* name, std::string& where) const {
    const auto file = folder_ / name;
    where = file.string();
    if (!std::filesystem::exists(file)) return std::nullopt;
    return read_json_object(file);
  }

  void read_config() {
    std::string where;
    const auto config = object_of("tokenizer_config.json", where);
    if (!config) return;
    for (const char* key :
         {"add_bos_token", "add_eos_token", "added_tokens_decoder", "bos_token", "eos_token",
          "unk_token", "sep_token", "pad_token", "cls_token", "mask_token", kMoreSpecials}) {
      if (config->contains(key)) files_.config[key] = (*config)[key];
    }
    files_.adds_bos = field_or(*config, "add_bos_token", where, true);
    files_.adds_eos = field_or(*config, "add_eos_token", where, false);
    read_specials(*config, where, /*from_map=*/false);
    const auto listed = optional_field<json>(*config, "added_tokens_decoder", where);
    if (!listed) return;
    const auto list = where + ": added_tokens_decoder";
    if (!listed->is_object()) throw CheckpointError(list, "expected an object");
    for (auto it = listed->begin(); it != listed->end(); ++it) {
      const auto token_where = list + "." + it.key();
      const auto content = required_field<std::string>(*it, "content", token_where);
      refuse_single_word(*it, token_where);
      add(content, id_of_key(it.key(), list), where);
      auto& note = files_.notes[content];
      note.listed_lstrip = field_or(*it, "lstrip", token_where, false);
      note.listed_rstrip = field_or(*it, "rstrip", token_where, false);
      note.listed_special = field_or(*it, "special", token_where, false);
    }
  }

  void read_special_map() {
    std::string where;
    const auto map = object_of("special_tokens_map.json", where);
    if (!map) return;
    files_.special_map = *map;
    read_specials(*map, where, /*from_map=*/true);
  }

  void read_added_tokens() {
    std::string where;
    const auto added = object_of("added_tokens.json", where);
    if (!added) return;
    for (auto it = added->begin(); it != added->end(); ++it) {
      if (!it->is_number_integer()) {
        throw CheckpointError(
            where, str_cat("\"", it.key(), "\": expected an id, got ", it->dump().substr(0, 60)));
      }
      add(it.key(), it->get<std::int64_t>(), where);
    }
  }

  void add(const std::string& token, std::int64_t id, const std::string& where) {
    if (token.empty())
      throw CheckpointError(where, str_cat("the added token of id ", id, " is empty"));
    const auto [it, fresh] = files_.added.emplace(token, id);
    if (!fresh && it->second != id) {
      throw CheckpointError(where,
                            str_cat("\"", token, "\" has the ids ", it->second, " and ", id));
    }
  }

  void read_specials(const json& object, const std::string& where, bool from_map) {
    for (std::size_t i = 0; i < std::size(kRoles); ++i) {
      const auto value = optional_field<json>(object, kRoles[i], where);
      // For a token of its own four roles that is given only by name, the tokenizer's class makes
      // one that removes no white space. special_tokens_map.json is read after that.
      const bool keeps = !from_map && i != kSeparator && i <= kPadding;
      if (value) roles_[i] = read_special(*value, str_cat(where, ": ", kRoles[i]), keeps);
    }
    const auto more = optional_field<std::vector<json>>(object, kMoreSpecials, where);
    if (!more) return;
    more_.clear();
    for (const auto& value : *more) {
      more_.push_back(read_special(value, str_cat(where, ": ", kMoreSpecials), false));
    }
  }

  Special read_special(const json& value, const std::string& where, bool bare_keeps) const {
    if (value.is_string()) {
      if (bare_keeps) return {value.get<std::string>(), false, false};
      return {value.get<std::string>(), std::nullopt, std::nullopt};
    }
    if (!value.is_object()) {
      throw CheckpointError(where, str_cat("expected a token, got ", value.dump().substr(0, 60)));
    }
    refuse_single_word(value, where);
    return {required_field<std::string>(value, "content", where),
            field_or(value, "lstrip", where, false), field_or(value, "rstrip", where, false)};
  }

  void note_specials() {
    files_.bos = roles_[0].name;
    files_.eos = roles_[1].name;
    files_.unknown = roles_[2].name;
    auto specials = roles_;
    const char* own[] = {"<s>", "</s>", "<unk>"};
    for (std::size_t i = 0; i < 3; ++i) {
      if (specials[i].name.empty()) note({own[i], false, false});
    }
    specials.insert(specials.end(), more_.begin(), more_.end());
    for (const auto& special : specials) {
      if (special.name.empty()) continue;
      note(special);
      auto& list = files_.specials;
      if (std::find(list.begin(), list.end(), special.name) == list.end()) {
        list.push_back(special.name);
      }
    }
  }

  void note(const Special& special) {
    auto& note = files_.notes[special.name];
    note.special = true;
    if (!special.lstrip) return;
    note.lstrip = special.lstrip;
    note.rstrip = special.rstrip;
  }

  std::filesystem::path folder_;
  SentencePieceFiles files_;
  std::vector<Special> roles_ = std::vector<Special>(std::size(kRoles));
  std::vector<Special> more_;
};

}  // namespace

SentencePieceFiles read_sentencepiece_files(const std::filesystem::path& model_file) {
  return Reader(model_file).read();
}

}  // namespace medseg
