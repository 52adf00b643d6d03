/// \file
/// Inputs and expected numbers shared by the tests of scans.
#pragma once

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/volume/volume.h"

namespace medseg {

inline std::filesystem::path golden_volume_folder() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/volume";
}

inline const nlohmann::json& golden_volume(const char* topic) {
  static const auto cases = nlohmann::json::parse(read_file(golden_volume_folder() / "cases.json"));
  return cases.at(topic);
}

/// Byte i of the inputs: scripts/reference/export_volume.py computes the same.
inline std::uint8_t noise(std::uint64_t i) {
  return static_cast<std::uint8_t>(((i * 2654435761U + (i >> 3) * 40503U) & 0xffffffffU) >> 24);
}

inline std::filesystem::path written(const std::string& bytes, const std::string& name = "scan") {
  const auto path = std::filesystem::path(testing::TempDir()) / "medseg-volume" / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

/// What reading these bytes as a scan complains about.
inline std::string error_of(const std::string& bytes) {
  try {
    read_volume(written(bytes));
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace medseg
