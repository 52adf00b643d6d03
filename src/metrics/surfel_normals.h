/// \file
/// DeepMind's surface elements: what surface lies round a corner of eight voxels.
#pragma once

#include <array>
#include <cstdint>

namespace medseg {

/// Up to four normals of three numbers each, in eighths of a voxel; the rest are 0.
using SurfelNormals = std::array<std::int8_t, 12>;

/// By the bits of the eight voxels, (-1, -1, -1) highest, (0, 0, 0) lowest, the width running
/// fastest.
extern const std::array<SurfelNormals, 256> kSurfelNormals;

}  // namespace medseg
