/// \file
/// Voxels of any stored type and byte order to float.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace medseg {

enum class VoxelType { kU8, kI8, kU16, kI16, kU32, kI32, kU64, kI64, kF32, kF64 };

std::size_t width_of(VoxelType type);

/// Physical value = stored value * slope + intercept, in double before it is rounded to float.
struct Scaling {
  double slope = 1;
  double intercept = 0;
};

/// `count` voxels of `bytes` (which holds at least so many), swapped when asked.
std::vector<float> decode_voxels(std::string_view bytes, std::size_t count, VoxelType type,
                                 bool swapped, const Scaling& scaling = {});

}  // namespace medseg
