#include "sentencepiece_tokenizer.h"

#include <set>

#include <sentencepiece_processor.h>

#include "json_field.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "unicode.h"

namespace medseg {
namespace {

// ModelProto has no functions for these changes, but protobuf merges fields appended to its bytes.
// normalizer_spec.add_dummy_prefix = false.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

// Pieces += {piece, score 0, USER_DEFINED}.
std::string user_defined_piece(const std::string& piece) {
  const auto varint = [](std::size_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7F) | 0x80));
    bytes.push_back(static_cast<char>(value));
    return bytes;
  };
  const std::string message =
      "\x0A" + varint(piece.size()) + piece + std::string("\x15\x00\x00\x00\x00\x18\x04", 7);
  return "\x0A" + varint(message.size()) + message;
}

std::unique_ptr<sentencepiece::SentencePieceProcessor> opened(const std::string& bytes,
                                                              const std::string& where) {
  sentencepiece::SetMinLogLevel(2);  // the fault is reported below, once
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(bytes);
  if (!status.ok() || processor->GetPieceSize() == 0) {
    throw CheckpointError(
        where, str_cat("is not a SentencePiece model", (status.ok() ? " with pieces" : "")));
  }
  return processor;
}

std::vector<int> to_int(const std::vector<std::int64_t>& ids) { return {ids.begin(), ids.end()}; }

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceFiles files, TokenizerMode mode,
                                               const std::string& where)
    : files_(std::move(files)), mode_(mode) {
  prefixing_ = opened(files_.model, where);
  pieces_ = size_ = prefixing_->GetPieceSize();
  for (int id = 0; id < pieces_; ++id) {
    if (!is_valid_utf8(prefixing_->IdToPiece(id))) {
      throw CheckpointError(where, str_cat("piece ", id, " is not UTF-8"));
    }
  }
  bos_ = prefixing_->bos_id();
  eos_ = prefixing_->eos_id();
  unknown_ = prefixing_->unk_id();
  add_listed_tokens(where);
  const auto role = [&](const std::string& name, std::int64_t& id) {
    if (!name.empty()) id = id_of(name).value_or(id);
  };
  role(files_.bos, bos_);
  role(files_.eos, eos_);
  role(files_.unknown, unknown_);
  std::set<std::int64_t> markers = {bos_, eos_, unknown_};
  for (const auto& name : files_.specials) markers.insert(id_of(name).value_or(-1));
  for (const auto id : markers) {
    if (id >= 0 && !added_by_id_.contains(id)) {
      match(prefixing_->IdToPiece(static_cast<int>(id)), id);
    }
  }
  load_processors(where);
}

void SentencePieceTokenizer::add_listed_tokens(const std::string& where) {
  std::map<std::int64_t, std::string> by_id;
  for (const auto& [token, id] : files_.added) {
    const auto [it, fresh] = by_id.emplace(id, token);
    if (!fresh) {
      throw CheckpointError(where, str_cat("added tokens \"", it->second, "\" and \"", token,
                                           "\" share the id ", id));
    }
  }
  for (const auto& [id, token] : by_id) {
    if (id < 0 || id > size_) {
      throw CheckpointError(where, str_cat("added token \"", token, "\" has the id ", id,
                                           ", but the next free one is ", size_));
    }
    if (id < pieces_ && prefixing_->IdToPiece(static_cast<int>(id)) != token) {
      throw CheckpointError(
          where, str_cat("added token \"", token, "\" has the id ", id, " of the piece \"",
                         prefixing_->IdToPiece(static_cast<int>(id)), "\""));
    }
    if (id >= pieces_ || !is_marker(id)) add(token, id);
  }
  for (const auto& name : files_.specials) {
    if (!id_of(name)) add(name, size_);
  }
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

void SentencePieceTokenizer::add(const std::string& token, std::int64_t id) {
  match(token, id);
  added_ids_[token] = id;
  added_by_id_[id] = token;
  size_ = std::max(size_, id + 1);
}

// How the token is matched inside a text. In the older behaviour, a token that is given only by its
// name removes white space on both sides.
void SentencePieceTokenizer::match(const std::string& token, std::int64_t id) {
  const bool old = mode_ == TokenizerMode::kHfLegacy;
  static const TokenNote nothing;
  const auto it = files_.notes.find(token);
  const TokenNote& note = it == files_.notes.end() ? nothing : it->second;
  AddedToken added{.content = token, .id = id};
  added.special = note.special || note.listed_special.value_or(false);
  added.lstrip = note.lstrip.value_or(old || note.listed_lstrip.value_or(false));
  added.rstrip = note.rstrip.value_or(old || note.listed_rstrip.value_or(false));
  tokens_.push_back(std::move(added));
  matcher_.add(token, &tokens_.back());
}

void SentencePieceTokenizer::load_processors(const std::string& where) {
  std::string bytes = files_.model;
  if (mode_ == TokenizerMode::kSpmNative) {
    for (const auto& [id, token] : added_by_id_) {
      if (id >= pieces_) bytes += user_defined_piece(token);
    }
  }
  prefixing_ = opened(bytes, where);
  bare_ = opened(bytes.append(kNoDummyPrefix), where);
}

bool SentencePieceTokenizer::is_marker(std::int64_t id) const {
  return id == unknown_ || (id < pieces_ && prefixing_->IsControl(static_cast<int>(id)));
}

// Whether an added token is a marker, which `skip_special` leaves out; words of an answer are not.
bool SentencePieceTokenizer::is_skipped(const std::string& token) const {
  const auto note = files_.notes.find(token);
  return note != files_.notes.end() && note->second.special && token != kSegToken &&
         token != kPhraseOpen && token != kPhraseClose;
}

bool SentencePieceTokenizer::adds_bos() const {
  return files_.adds_bos && bos_ >= 0 && mode_ != TokenizerMode::kSpmNative;
}

bool SentencePieceTokenizer::adds_eos() const {
  return files_.adds_eos && eos_ >= 0 && mode_ != TokenizerMode::kSpmNative;
}

void SentencePieceTokenizer::append(const Processor& processor, std::string_view text,
                                    std::vector<std::int64_t>& ids) const {
  std::vector<int> pieces;
  const auto status = processor.Encode({text.data(), text.size()}, &pieces);
  MEDSEG_CHECK(status.ok(), std::string("sentencepiece: ") + status.error_message());
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

// In the middle of a sentence, the blank at the start of the text is the one SentencePiece adds.
void SentencePieceTokenizer::append_glued(std::string_view text,
                                          std::vector<std::int64_t>& ids) const {
  if (text.size() > 1 && text.front() == ' ') {
    append(*prefixing_, text.substr(1), ids);
  } else {
    append(*bare_, text, ids);
  }
}

// transformers with legacy=false puts `<unk>` in front, so that a leading blank is not removed.
void SentencePieceTokenizer::append_modern(std::string_view text,
                                           std::vector<std::int64_t>& ids) const {
  if (unknown_ < 0 || !(text.starts_with(' ') || text.starts_with(kBlockSpace))) {
    append(*bare_, text, ids);
    return;
  }
  std::string shielded = prefixing_->IdToPiece(static_cast<int>(unknown_));
  std::vector<std::int64_t> shield;
  append(*bare_, shielded, shield);
  std::vector<std::int64_t> pieces;
  append(*bare_, shielded.append(text), pieces);
  const auto drop = std::min(shield.size(), pieces.size());
  ids.insert(ids.end(), pieces.begin() + static_cast<std::ptrdiff_t>(drop), pieces.end());
}

std::vector<std::int64_t> SentencePieceTokenizer::encode(std::string_view text) const {
  return encode_after(text, After::kNothing);
}

std::vector<std::int64_t> SentencePieceTokenizer::encode_after(std::string_view given,
                                                               After after) const {
  const std::string text = valid_utf8(given);
  std::vector<std::int64_t> ids;
  if (mode_ == TokenizerMode::kHf) return encode_modern(text, after);
  if (mode_ == TokenizerMode::kSpmNative) {
    if (after == After::kText) {
      append_glued(text, ids);
    } else {
      append(*prefixing_, text, ids);
    }
    return ids;
  }
  for (const auto& cut : matcher_.cut(text, is_python_space)) {
    const auto piece = std::string_view(text).substr(cut.begin, cut.end - cut.begin);
    if (cut.token != nullptr) {
      ids.push_back(cut.token->id);
    } else if (cut.begin == 0 && after == After::kText) {
      append_glued(piece, ids);
    } else {
      append(*prefixing_, piece, ids);
    }
  }
  return ids;
}

std::vector<std::int64_t> SentencePieceTokenizer::encode_modern(const std::string& given,
                                                                After after) const {
  std::string text = given;
  replace_all(text, kBlockSpace, " ");
  std::vector<std::int64_t> ids;
  for (const auto& cut : matcher_.cut(text)) {
    if (cut.token != nullptr) {
      // The blank in front of the text is removed only before a special token.
      const bool keeps_blank = cut.begin == 0 && after == After::kNothing && !cut.token->special;
      if (keeps_blank) append_modern(kBlockSpace, ids);
      ids.push_back(cut.token->id);
      continue;
    }
    auto piece = text.substr(cut.begin, cut.end - cut.begin);
    if (cut.begin == 0 && after == After::kNothing) piece.insert(0, kBlockSpace);
    append_modern(piece, ids);
  }
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<std::int64_t>& ids,
                                           bool skip_special) const {
  for (const auto id : ids) {
    MEDSEG_CHECK(id >= 0 && id < size_,
                 str_cat("decode: id ", id, " is not a token; the vocabulary has ", size_));
  }
  if (mode_ == TokenizerMode::kSpmNative) return prefixing_->DecodeIds(to_int(ids));
  // Where encoding removed the blanks around an added token, decoding puts one back.
  const bool spaced = mode_ == TokenizerMode::kHfLegacy;
  std::string text;
  bool started = false;  // something has been written
  bool behind_added = false;
  std::vector<int> run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (behind_added) text += ' ';
    const bool prefixed = mode_ != TokenizerMode::kHf || !started;
    text += (prefixed ? prefixing_ : bare_)->DecodeIds(run);
    run.clear();
    started = true;
    behind_added = false;
  };
  for (const auto id : ids) {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end()) {
      if (skip_special && is_skipped(added->second)) continue;
      flush();
      if (spaced && started) text += ' ';
      text += added->second;
      started = true;
      behind_added = spaced;
    } else if (is_marker(id)) {
      if (skip_special) continue;
      flush();
      if (behind_added) text += ' ';
      text += prefixing_->IdToPiece(static_cast<int>(id));
      started = true;
      behind_added = false;
    } else {
      run.push_back(static_cast<int>(id));
    }
  }
  flush();
  return text;
}

std::optional<std::int64_t> SentencePieceTokenizer::id_of(std::string_view token) const {
  if (const auto it = added_ids_.find(token); it != added_ids_.end()) return it->second;
  const int id = prefixing_->PieceToId({token.data(), token.size()});
  if (id >= 0 && id < pieces_ && prefixing_->IdToPiece(id) == token) return id;
  return std::nullopt;
}

std::vector<std::int64_t> SentencePieceTokenizer::add_tokens(
    const std::vector<std::string>& tokens) {
  std::vector<std::int64_t> ids;
  for (const auto& token : tokens) {
    const auto known = id_of(token);
    const bool matched = known && (added_by_id_.contains(*known) || is_marker(*known));
    if (!matched) {
      auto& note = files_.notes[token];
      if (!note.special) {
        note.special = true;
        files_.special_map["additional_special_tokens"].push_back(token);
      }
      add(token, known.value_or(size_));
    }
    ids.push_back(*id_of(token));
  }
  load_processors("tokenizer.model");
  return ids;
}

void SentencePieceTokenizer::save(const std::filesystem::path& folder) const {
  write_file(folder / "tokenizer.model", files_.model);
  const auto write = [&](const char* name, const nlohmann::json& json) {
    if (!json.empty()) write_file(folder / name, json.dump(2) + "\n");
  };
  write("added_tokens.json", nlohmann::json(added_ids_));
  write("special_tokens_map.json", files_.special_map);
  write("tokenizer_config.json", files_.config);
}

std::string SentencePieceTokenizer::fingerprint() const {
  return sha256(files_.model + "\n" + nlohmann::json(added_ids_).dump());
}

std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& file,
                                                        TokenizerMode mode) {
  auto files = read_sentencepiece_files(file);
  opened(files.model, file.string());  // errors of the model name its file
  const auto added_file = file.parent_path() / "added_tokens.json";
  const auto where = std::filesystem::exists(added_file) && !files.added.empty()
                         ? added_file.string()
                         : file.string();
  return std::make_unique<SentencePieceTokenizer>(std::move(files), mode, where);
}

}  // namespace medseg
