/// \file
/// Results of the Python tokenizers (tests/golden/text).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/text/tokenizer.h"
#include "support/temp_folder.h"

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

/// A fresh empty folder of this test run, removed at its end or when it is asked for again.
inline std::filesystem::path scratch(const std::string& name) {
  static std::map<std::string, TempFolder> folders;
  folders.erase(name);
  return folders.try_emplace(name, "text-" + name).first->second.path();
}

}  // namespace medseg::golden
