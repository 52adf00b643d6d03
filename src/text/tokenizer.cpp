#include "medseg/text/tokenizer.h"

#include <fstream>

#include "bpe_tokenizer.h"
#include "sentencepiece_tokenizer.h"
#include "unicode.h"

namespace medseg {
namespace {

bool starts_like_json(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  char first = 0;
  stream >> first;  // skips white space
  return first == '{';
}

}  // namespace

TokenizerMode tokenizer_mode(const std::string& name) {
  return choice_named<TokenizerMode>("tokenizer mode", name);
}

std::string tokenizer_mode_name(TokenizerMode mode) { return name_of(mode); }

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path, TokenizerMode mode) {
  namespace fs = std::filesystem;
  if (fs::is_directory(path)) {
    // The published models of this family were trained with tokenizer.model where both files exist.
    if (fs::exists(path / "tokenizer.model")) {
      return load_sentencepiece_tokenizer(path / "tokenizer.model", mode);
    }
    if (fs::exists(path / "tokenizer.json")) return load_bpe_tokenizer(path / "tokenizer.json");
    throw CheckpointError(path.string(), "holds neither tokenizer.model nor tokenizer.json");
  }
  if (!fs::exists(path)) throw DataError(path.string(), "no such file or folder");
  if (path.extension() == ".json" || starts_like_json(path)) return load_bpe_tokenizer(path);
  return load_sentencepiece_tokenizer(path, mode);
}

std::string StreamingDecoder::push(std::int64_t id) {
  ids_.push_back(id);
  auto settled = ids_;
  settled.resize(tokenizer_.settled(ids_));
  auto text = tokenizer_.decode(settled);
  // A U+FFFD at the end may be a character whose bytes are still to come.
  while (text.ends_with(kReplacement)) text.resize(text.size() - kReplacement.size());
  return fresh(std::move(text));
}

std::string StreamingDecoder::flush() { return fresh(tokenizer_.decode(ids_)); }

// The part of `text` that is new; nothing while a decoder that strips or replaces at the end lags.
std::string StreamingDecoder::fresh(std::string text) {
  if (!text.starts_with(emitted_)) return "";
  auto added = text.substr(emitted_.size());
  emitted_ = std::move(text);
  return added;
}

}  // namespace medseg
