#include "medseg/text/tokenizer.h"

#include <fstream>
#include <sstream>

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

// A first line of base64, a blank and a rank: the tokenizer.model of Meta's Llama 3.
bool is_tiktoken(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string token, rank;
  char behind = 0;
  constexpr std::streamsize kLongest = 1024;
  std::string line(static_cast<std::size_t>(kLongest), '\0');
  stream.read(line.data(), kLongest);
  line.resize(static_cast<std::size_t>(stream.gcount()));
  std::istringstream words(line.substr(0, line.find('\n')));
  if (!(words >> token >> rank) || words >> behind || token.size() % 4 != 0) return false;
  const auto only = [](const std::string& text, const char* letters) {
    return text.find_first_not_of(letters) == std::string::npos;
  };
  return only(rank, "0123456789") &&
         only(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
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
    const auto model = path / "tokenizer.model";
    if (fs::exists(model) && !(is_tiktoken(model) && fs::exists(path / "tokenizer.json")))
      return load_sentencepiece_tokenizer(model, mode);
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
