/// \file
/// The complete little models of tests/golden/trace.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/text/tokenizer.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// A copy of the bundle NAME of tests/golden/trace at `folder` that opens: with the index of its
/// two shards, and the tokenizer's hash, which Python does not compute.
inline void copy_golden_bundle(const std::string& name, const std::filesystem::path& folder) {
  const auto source = std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/trace";
  std::filesystem::create_directories(folder);
  for (const auto& part : {source / "shared", source / name}) {
    for (const auto& entry : std::filesystem::directory_iterator(part)) {
      std::filesystem::copy(entry.path(), folder / entry.path().filename());
    }
  }
  nlohmann::json index;
  for (const char* shard :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const auto file = open_tensor_file(folder / shard);
    for (const auto& info : file->tensors()) index["weight_map"][info.name] = shard;
  }
  write_file(folder / "model.safetensors.index.json", index.dump());
  auto config = nlohmann::json::parse(read_file(folder / "config.json"));
  config["tokenizer_fingerprint"] = load_tokenizer(folder)->fingerprint();
  write_file(folder / "config.json", config.dump(2));
}

inline std::filesystem::path golden_manifest() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/trace/data/manifest.jsonl";
}

}  // namespace medseg
