#include "gguf_sentencepiece.h"

#include <cstring>
#include <set>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int32_t kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;
constexpr float kAddedScore = -1000.0F;

/// The bytes of a protobuf message, field by field.
class Message {
 public:
  void number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
  }
  void real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);  // protobuf is little-endian, as this machine is
    bytes_.append(raw, sizeof raw);
  }
  void text(int field, const std::string& value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>((value & 0x7F) | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  std::string bytes_;
};

[[noreturn]] void fail(const std::string& key, const std::string& what) {
  throw CheckpointError("tokenizer.ggml." + key, what);
}

void check(const GgufVocabulary& vocabulary) {
  const auto count = vocabulary.tokens.size();
  if (count == 0) fail("tokens", "is empty");
  for (const auto& [key, size] : {std::pair{"scores", vocabulary.scores.size()},
                                  std::pair{"token_type", vocabulary.types.size()}}) {
    if (size != count) fail(key, str_cat(size, " for ", count, " tokens"));
  }
  std::set<std::string_view> seen;
  for (std::size_t id = 0; id < count; ++id) {
    const auto& token = vocabulary.tokens[id];
    if (token.empty()) fail(str_cat("tokens[", id, "]"), "is empty");
    if (!seen.insert(token).second) fail(str_cat("tokens[", id, "]"), "\"" + token + "\" again");
    const auto type = vocabulary.types[id];
    if (type < 1 || type > kByte)
      fail(str_cat("token_type[", id, "]"), str_cat(type, " is no type of SentencePiece"));
  }
}

const std::string& name_of_role(const GgufVocabulary& vocabulary, const char* key,
                                const std::optional<std::int64_t>& id) {
  static const std::string none;
  if (!id) return none;
  if (*id < 0 || *id >= static_cast<std::int64_t>(vocabulary.tokens.size())) {
    fail(key, str_cat(*id, " is not an id; there are ", vocabulary.tokens.size(), " tokens"));
  }
  return vocabulary.tokens[static_cast<std::size_t>(*id)];
}

// sentencepiece_model.proto of SentencePiece.
std::string model_bytes(const GgufVocabulary& vocabulary, const SentencePieceFiles& files) {
  Message model, trainer, normaliser;
  bool has_bytes = false;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    auto type = vocabulary.types[id];
    // The converter makes <unk> a control token where added_tokens_decoder lists it.
    if (vocabulary.tokens[id] == files.unknown) {
      type = kUnknown;
    } else if (type == kUnknown) {
      type = kControl;
    } else if (files.added.contains(vocabulary.tokens[id])) {
      type = kUserDefined;  // found in a text, as added tokens are
    }
    has_bytes = has_bytes || type == kByte;
    Message piece;
    piece.text(1, vocabulary.tokens[id]);
    piece.real(2, vocabulary.scores[id]);
    piece.number(3, static_cast<std::uint64_t>(type));
    model.text(1, piece.bytes());
  }
  trainer.number(3, 2);  // model_type BPE
  trainer.number(4, vocabulary.tokens.size());
  trainer.number(35, has_bytes ? 1 : 0);  // byte_fallback
  trainer.text(45, files.unknown);
  if (!files.bos.empty()) trainer.text(46, files.bos);
  if (!files.eos.empty()) trainer.text(47, files.eos);
  normaliser.text(1, "identity");
  normaliser.number(3, vocabulary.add_space_prefix ? 1 : 0);
  normaliser.number(4, vocabulary.remove_extra_whitespaces ? 1 : 0);
  normaliser.number(5, 1);  // escape_whitespaces
  model.text(2, trainer.bytes());
  model.text(3, normaliser.bytes());
  return model.bytes();
}

}  // namespace

SentencePieceFiles sentencepiece_files_of(const GgufVocabulary& vocabulary) {
  check(vocabulary);
  SentencePieceFiles files;
  files.bos = name_of_role(vocabulary, "bos_token_id", vocabulary.bos);
  files.eos = name_of_role(vocabulary, "eos_token_id", vocabulary.eos);
  files.unknown = name_of_role(vocabulary, "unknown_token_id", vocabulary.unknown);
  for (std::size_t id = 0; files.unknown.empty() && id < vocabulary.types.size(); ++id) {
    if (vocabulary.types[id] == kUnknown) files.unknown = vocabulary.tokens[id];
  }
  if (files.unknown.empty()) fail("unknown_token_id", "missing, and no token is of type unknown");
  files.adds_bos = vocabulary.add_bos;
  files.adds_eos = vocabulary.add_eos;
  files.config = {{"add_bos_token", files.adds_bos}, {"add_eos_token", files.adds_eos}};
  const auto role = [&](const char* key, const std::string& name) {
    if (name.empty()) return;
    files.config[key] = name;
    files.specials.push_back(name);
    files.notes[name] = {.special = true, .lstrip = false, .rstrip = false};
  };
  role("bos_token", files.bos);
  role("eos_token", files.eos);
  role("unk_token", files.unknown);
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto& token = vocabulary.tokens[id];
    const auto type = vocabulary.types[id];
    const bool added = type == kControl || type == kUserDefined;
    if (!added || vocabulary.scores[id] != kAddedScore || files.notes.contains(token)) continue;
    files.added[token] = static_cast<std::int64_t>(id);
    if (type != kControl) continue;
    files.notes[token].special = true;
    files.special_map["additional_special_tokens"].push_back(token);
    files.specials.push_back(token);
  }
  files.model = model_bytes(vocabulary, files);
  return files;
}

}  // namespace medseg
