#include "medseg/volume/slice_masks.h"

#include <algorithm>
#include <cmath>

#include "medseg/base/error.h"

namespace medseg {
namespace {

/// Where a slice's pixels lie among the voxels: the view of `slice_along` and `axial_slice`.
struct SliceWalk {
  int width = 0, height = 0;
  std::int64_t start = 0, right = 0, down = 0;  ///< of pixel (0, 0); one pixel to the right; down

  SliceWalk(const std::array<std::int64_t, 3>& size, int axis, std::int64_t index) {
    MEDSEG_CHECK(
        axis >= 0 && axis < 3 && index >= 0 && index < size[static_cast<std::size_t>(axis)],
        "slice out of range");
    const std::array<std::int64_t, 3> stride = {1, size[0], size[0] * size[1]};
    const std::size_t across = axis == 0 ? 1 : 0, up = axis == 2 ? 1 : 2;
    width = static_cast<int>(size[across]);
    height = static_cast<int>(size[up]);
    right = -stride[across];
    down = -stride[up];
    start = index * stride[static_cast<std::size_t>(axis)] + (size[across] - 1) * stride[across] +
            (size[up] - 1) * stride[up];
  }

  /// `visit(pixel, voxel)`, rows from the top.
  template <class Visit>
  void each(const Visit& visit) const {
    std::size_t pixel = 0;
    for (int y = 0; y < height; ++y) {
      std::int64_t at = start + y * down;
      for (int x = 0; x < width; ++x, at += right) visit(pixel++, static_cast<std::size_t>(at));
    }
  }
};

/// The pixels that touch `first` by a side, taken out of `left`.
std::vector<std::size_t> piece_from(std::size_t first, Mask& left) {
  std::vector<std::size_t> piece = {first};
  left.pixels[first] = 0;
  const auto width = static_cast<std::size_t>(left.width);
  const auto take = [&](std::size_t pixel) {
    if (left.pixels[pixel] == 0) return;
    left.pixels[pixel] = 0;
    piece.push_back(pixel);
  };
  for (std::size_t next = 0; next < piece.size(); ++next) {
    const std::size_t at = piece[next], x = at % width;
    if (x > 0) take(at - 1);
    if (x + 1 < width) take(at + 1);
    if (at >= width) take(at - width);
    if (at + width < left.pixels.size()) take(at + width);
  }
  return piece;
}

}  // namespace

void put_slice(VoxelMask& canonical, int axis, std::int64_t index, const Mask& seen) {
  const SliceWalk walk(canonical.size, axis, index);
  MEDSEG_CHECK(seen.width == walk.width && seen.height == walk.height,
               "a mask of another size than its slice");
  walk.each([&](std::size_t pixel, std::size_t voxel) {
    if (seen.pixels[pixel] != 0) canonical.voxels[voxel] = 1;
  });
}

Mask slice_of(const VoxelMask& canonical, int axis, std::int64_t index) {
  const SliceWalk walk(canonical.size, axis, index);
  Mask seen(walk.width, walk.height);
  walk.each([&](std::size_t pixel, std::size_t voxel) {
    seen.pixels[pixel] = canonical.voxels[voxel] != 0 ? 1 : 0;
  });
  return seen;
}

VoxelMask supported_by_neighbours(const VoxelMask& canonical, int axis) {
  VoxelMask kept(canonical.size);
  const auto slices = canonical.size[static_cast<std::size_t>(axis)];
  for (std::int64_t index = 0; index < slices; ++index) {
    Mask left = slice_of(canonical, axis, index);
    Mask around(left.width, left.height);
    for (const auto other : {index - 1, index + 1}) {
      if (other >= 0 && other < slices)
        around = mask_union(around, slice_of(canonical, axis, other));
    }
    Mask supported(left.width, left.height);
    for (std::size_t pixel = 0; pixel < left.pixels.size(); ++pixel) {
      if (left.pixels[pixel] == 0) continue;
      const auto piece = piece_from(pixel, left);
      const bool covered = std::any_of(piece.begin(), piece.end(),
                                       [&](std::size_t at) { return around.pixels[at] != 0; });
      for (const auto at : piece) supported.pixels[at] = covered ? 1 : 0;
    }
    put_slice(kept, axis, index, supported);
  }
  return kept;
}

MaskMeasures measure(const VoxelMask& canonical, const Volume& grid, int axis) {
  MEDSEG_CHECK(canonical.size == grid.size, "a mask of another volume");
  const auto& size = canonical.size;
  std::array<std::int64_t, 3> first = size, last = {-1, -1, -1};
  const auto along = static_cast<std::size_t>(axis);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(size[along]));
  MaskMeasures measures;
  std::size_t voxel = 0;
  std::array<std::int64_t, 3> at{};
  for (at[2] = 0; at[2] < size[2]; ++at[2]) {
    for (at[1] = 0; at[1] < size[1]; ++at[1]) {
      for (at[0] = 0; at[0] < size[0]; ++at[0], ++voxel) {
        if (canonical.voxels[voxel] == 0) continue;
        ++measures.voxels;
        ++counts[static_cast<std::size_t>(at[along])];
        for (std::size_t a = 0; a < 3; ++a) {
          first[a] = std::min(first[a], at[a]);
          last[a] = std::max(last[a], at[a]);
        }
      }
    }
  }
  const auto& a = grid.affine;
  const double voxel_mm3 = std::abs(a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                                    a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                                    a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]));
  measures.volume_ml = static_cast<double>(measures.voxels) * voxel_mm3 / 1000;
  const auto spacing = grid.spacing_mm();
  for (std::size_t i = 0; i < 3 && measures.voxels > 0; ++i)
    measures.extent_mm[i] = static_cast<double>(last[i] - first[i] + 1) * spacing[i];
  const double pixel_mm2 = spacing[axis == 0 ? 1 : 0] * spacing[axis == 2 ? 1 : 2];
  for (std::size_t slice = 0; slice < counts.size(); ++slice) {
    if (counts[slice] == 0) continue;
    measures.slices.push_back(static_cast<std::int64_t>(slice));
    measures.areas_mm2.push_back(static_cast<double>(counts[slice]) * pixel_mm2);
  }
  return measures;
}

}  // namespace medseg
