/// \file
/// Inputs and expected numbers shared by the tests of pictures.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/image/image.h"

namespace medseg {

inline std::filesystem::path golden_image_folder() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/image";
}

inline const nlohmann::json& golden_image(const char* topic) {
  static const auto cases = nlohmann::json::parse(read_file(golden_image_folder() / "cases.json"));
  return cases.at(topic);
}

/// Byte i of the inputs: scripts/reference/export_image.py computes the same.
inline std::uint8_t noise(std::uint64_t i) {
  return static_cast<std::uint8_t>(((i * 2654435761U + (i >> 3) * 40503U) & 0xffffffffU) >> 24);
}

/// `steep`: black and white alone, so that bicubic overshoots everywhere.
inline Image noise_picture(int width, int height, int channels, bool steep = false) {
  Image image{width, height, channels, {}};
  image.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                      static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = steep ? (noise(i) < 128 ? 0 : 255) : noise(i);
  }
  return image;
}

inline Image16 deep_noise_picture(int width, int height) {
  Image16 image{width, height, {}};
  image.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint16_t>(noise(2 * i) * 256 + noise(2 * i + 1));
  }
  return image;
}

}  // namespace medseg
