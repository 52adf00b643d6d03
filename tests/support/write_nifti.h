/// \file
/// A small NIfTI-1 file for tests.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "medseg/base/file.h"

namespace medseg {

/// `bytes` as a gzip member that is stored, not packed.
inline std::string gzip_stored(const std::string& bytes) {
  const auto number = [](std::uint32_t value, int size) {
    std::string text;
    for (int i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
  }
  std::string file("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  constexpr std::size_t most = 65535;
  for (std::size_t at = 0; at < bytes.size(); at += most) {
    const auto size = static_cast<std::uint32_t>(std::min(most, bytes.size() - at));
    file += number(at + size == bytes.size() ? 1 : 0, 1) + number(size, 2) + number(~size, 2);
    file.append(bytes, at, size);
  }
  return file + number(~crc, 4) + number(static_cast<std::uint32_t>(bytes.size()), 4);
}

/// The first axis fastest; axes to the right, front and head, `spacing` in mm. Voxels are unsigned
/// bytes or signed 16 bits. A name that ends in ".gz" gets a gzip file.
template <class Voxel>
void write_nifti(const std::filesystem::path& path, const std::array<int, 3>& size,
                 const std::array<float, 3>& spacing, const std::vector<Voxel>& voxels) {
  static_assert(std::is_same_v<Voxel, std::uint8_t> || std::is_same_v<Voxel, std::int16_t>);
  std::string file(352, '\0');
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(file.data() + at, &value, sizeof value);
  };
  put(0, std::int32_t{348});
  put(40, std::int16_t{3});
  for (std::size_t a = 0; a < 3; ++a) {
    put(42 + 2 * a, static_cast<std::int16_t>(size[a]));
    put(80 + 4 * a, spacing[a]);
  }
  for (std::size_t a = 3; a < 7; ++a) put(42 + 2 * a, std::int16_t{1});
  put(70, std::int16_t{sizeof(Voxel) == 1 ? 2 : 4});  // data type
  put(72, std::int16_t{8 * sizeof(Voxel)});
  put(76, 1.0F);
  put(108, 352.0F);
  put(112, 1.0F);             // slope
  put(123, std::uint8_t{2});  // millimetres
  put(254, std::int16_t{1});  // sform
  for (std::size_t a = 0; a < 3; ++a) put(280 + 16 * a + 4 * a, spacing[a]);
  std::memcpy(file.data() + 344, "n+1", 4);
  file.append(reinterpret_cast<const char*>(voxels.data()), voxels.size() * sizeof(Voxel));
  write_file(path, path.extension() == ".gz" ? gzip_stored(file) : file);
}

}  // namespace medseg
