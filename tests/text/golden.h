/// \file
/// Results of the Python tokenizers (tests/golden/text).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/text/tokenizer.h"

namespace medseg::golden {

using Ids = std::vector<std::int64_t>;

inline std::filesystem::path folder() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/text";
}

inline nlohmann::json read(const std::filesystem::path& name) {
  return nlohmann::json::parse(read_file(folder() / name));
}

inline const std::vector<std::string>& texts() {
  static const auto value = read("strings.json").get<std::vector<std::string>>();
  return value;
}

inline std::unique_ptr<Tokenizer> bpe(const std::string& family) {
  return load_tokenizer(folder() / "bpe" / family);
}

inline std::unique_ptr<Tokenizer> spm(TokenizerMode mode) {
  return load_tokenizer(folder() / "spm", mode);
}

/// A new empty folder of this test run.
inline std::filesystem::path scratch(const std::string& name) {
  const auto path = std::filesystem::temp_directory_path() / ("medseg-text-" + name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace medseg::golden
