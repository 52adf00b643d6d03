#include "medseg/exchange/open_tokenizer.h"

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/exchange/gguf_tokenizer.h"

namespace medseg {
namespace {

// A bundle says how its tokenizer is meant; other folders and files leave the default.
TokenizerMode mode_of(const std::filesystem::path& path) {
  const auto config = path / "config.json";
  if (std::filesystem::exists(config)) {
    const auto json = nlohmann::json::parse(read_file(config), nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains("tokenizer_mode") && json["tokenizer_mode"].is_string()) {
      try {
        return tokenizer_mode(json["tokenizer_mode"].get<std::string>());
      } catch (const ConfigError&) {
        throw CheckpointError(
            str_cat(config.string(), ": tokenizer_mode: unknown ", json["tokenizer_mode"].dump()));
      }
    }
  }
  return TokenizerMode::kHfLegacy;
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path,
                                          const std::string& mode) {
  const auto meant = mode.empty() ? mode_of(path) : tokenizer_mode(mode);
  if (is_gguf(path)) return load_gguf_tokenizer(*open_tensor_file(path), meant);
  return load_tokenizer(path, meant);
}

}  // namespace medseg
