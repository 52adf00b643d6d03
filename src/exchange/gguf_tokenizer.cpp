#include "medseg/exchange/gguf_tokenizer.h"

#include <array>
#include <fstream>
#include <limits>
#include <string_view>

#include "medseg/base/str.h"

namespace medseg {
namespace {

// Value of a key if the file has it; T is one of MetadataValue's types.
template <class T>
std::optional<T> value_of(const TensorFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  if (it == file.metadata().end()) return std::nullopt;
  if (const auto* value = std::get_if<T>(&it->second)) return *value;
  throw CheckpointError(str_cat(file.path().string(), ": ", key, ": has an unexpected type"));
}

}  // namespace

GgufVocabulary gguf_vocabulary(const TensorFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  GgufVocabulary vocabulary;
  vocabulary.model = value_of<std::string>(file, prefix + "model").value_or("");
  if (vocabulary.model.empty()) {
    throw CheckpointError(file.path().string() +
                          ": tokenizer.ggml.model: missing, the file holds no vocabulary");
  }
  vocabulary.pre = value_of<std::string>(file, prefix + "pre").value_or("default");
  vocabulary.tokens = value_of<std::vector<std::string>>(file, prefix + "tokens")
                          .value_or(std::vector<std::string>{});
  vocabulary.merges = value_of<std::vector<std::string>>(file, prefix + "merges")
                          .value_or(std::vector<std::string>{});
  for (const auto type : value_of<std::vector<std::int64_t>>(file, prefix + "token_type")
                             .value_or(std::vector<std::int64_t>{})) {
    if (type < 0 || type > std::numeric_limits<std::int32_t>::max()) {
      throw CheckpointError(
          str_cat(file.path().string(), ": tokenizer.ggml.token_type: unknown type ", type));
    }
    vocabulary.types.push_back(static_cast<std::int32_t>(type));
  }
  vocabulary.bos = value_of<std::int64_t>(file, prefix + "bos_token_id");
  vocabulary.eos = value_of<std::int64_t>(file, prefix + "eos_token_id");
  vocabulary.unknown = value_of<std::int64_t>(file, prefix + "unknown_token_id");
  vocabulary.padding = value_of<std::int64_t>(file, prefix + "padding_token_id");
  for (const auto score :
       value_of<std::vector<double>>(file, prefix + "scores").value_or(std::vector<double>{}))
    vocabulary.scores.push_back(static_cast<float>(score));
  // Llama 3 files from before the key was written mean yes, and SentencePiece always did.
  vocabulary.add_bos = value_of<bool>(file, prefix + "add_bos_token")
                           .value_or(vocabulary.pre == "llama-bpe" || vocabulary.model == "llama");
  vocabulary.add_eos = value_of<bool>(file, prefix + "add_eos_token").value_or(false);
  vocabulary.add_space_prefix = value_of<bool>(file, prefix + "add_space_prefix").value_or(true);
  vocabulary.remove_extra_whitespaces =
      value_of<bool>(file, prefix + "remove_extra_whitespaces").value_or(false);
  return vocabulary;
}

std::unique_ptr<Tokenizer> load_gguf_tokenizer(const TensorFile& file, TokenizerMode mode) {
  const auto vocabulary = gguf_vocabulary(file);
  return with_place(file.path().string(), [&] { return make_tokenizer(vocabulary, mode); });
}

bool is_gguf(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return false;
  std::array<char, 4> magic{};
  std::ifstream stream(path, std::ios::binary);
  stream.read(magic.data(), magic.size());
  return stream && std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace medseg
