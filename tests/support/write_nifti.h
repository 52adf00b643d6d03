/// \file
/// A small NIfTI-1 file for tests.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/base/file.h"

namespace medseg {

/// One byte a voxel, the first axis fastest; axes to the right, front and head, `spacing` in mm.
inline void write_nifti(const std::filesystem::path& path, const std::array<int, 3>& size,
                        const std::array<float, 3>& spacing,
                        const std::vector<std::uint8_t>& voxels) {
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
  put(70, std::int16_t{2});  // unsigned bytes
  put(72, std::int16_t{8});
  put(76, 1.0F);
  put(108, 352.0F);
  put(112, 1.0F);             // slope
  put(123, std::uint8_t{2});  // millimetres
  put(254, std::int16_t{1});  // sform
  for (std::size_t a = 0; a < 3; ++a) put(280 + 16 * a + 4 * a, spacing[a]);
  std::memcpy(file.data() + 344, "n+1", 4);
  file.append(reinterpret_cast<const char*>(voxels.data()), voxels.size());
  write_file(path, file);
}

}  // namespace medseg
