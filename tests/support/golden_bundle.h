/// \file
/// The complete little models of tests/golden/trace.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/text/tokenizer.h"

namespace medseg {

/// A copy of tests/golden/trace/NAME at `folder` that opens: with the tokenizer's hash, which Python does not compute.
inline void copy_golden_bundle(const std::string& name, const std::filesystem::path& folder) {
  const auto source = std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/trace" / name;
  std::filesystem::create_directories(folder.parent_path());
  std::filesystem::copy(source, folder);
  auto config = nlohmann::json::parse(read_file(folder / "config.json"));
  config["tokenizer_fingerprint"] = load_tokenizer(folder)->fingerprint();
  write_file(folder / "config.json", config.dump(2));
}

inline std::filesystem::path golden_manifest() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/trace/data/manifest.jsonl";
}

}  // namespace medseg
