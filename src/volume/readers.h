/// \file
/// One reader a format; `read_volume` picks by the bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "medseg/volume/volume.h"

namespace medseg {

inline constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 29;  // 2 GiB of float

/// Product of three sizes. \throws DataError when one is below 1 or the product beyond kMaxVoxels.
std::size_t checked_voxels(const std::array<std::int64_t, 3>& size, const std::string& where);

/// \throws DataError if a number is not finite or the columns do not span space.
void check_affine(const std::array<std::array<double, 4>, 3>& affine, const std::string& where);

bool is_nifti(std::span<const std::uint8_t> bytes);
Volume read_nifti(std::span<const std::uint8_t> bytes, const std::string& where);
bool is_nrrd(std::span<const std::uint8_t> bytes);
Volume read_nrrd(std::span<const std::uint8_t> bytes, const std::string& where);
Volume read_inv3(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace medseg
