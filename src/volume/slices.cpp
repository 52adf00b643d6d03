// Slices as a radiologist sees them.
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"
#include "shade.h"

namespace medseg {
namespace {

// Pixel (x, y) of an axial slice shows voxel (size - 1 - x, size - 1 - y): right on the left, front
// on top.
template <class Visit>
void for_each_pixel(const std::array<std::int64_t, 3>& size, std::int64_t k, const Visit& visit) {
  MEDSEG_CHECK(k >= 0 && k < size[2], "axial slice out of range");
  std::size_t pixel = 0;
  for (std::int64_t j = size[1] - 1; j >= 0; --j) {
    for (std::int64_t i = size[0] - 1; i >= 0; --i) {
      visit(pixel++, static_cast<std::size_t>((k * size[1] + j) * size[0] + i));
    }
  }
}

}  // namespace

Image axial_slice(const Volume& canonical, std::int64_t k, const Window& window) {
  Image image{.width = static_cast<int>(canonical.size[0]),
              .height = static_cast<int>(canonical.size[1]),
              .channels = 1,
              .pixels = {}};
  image.pixels.resize(static_cast<std::size_t>(canonical.size[0] * canonical.size[1]));
  for_each_pixel(canonical.size, k, [&](std::size_t pixel, std::size_t voxel) {
    image.pixels[pixel] = shade(static_cast<double>(canonical.voxels[voxel]), window);
  });
  return image;
}

Mask axial_mask(const Volume& canonical_mask, std::int64_t k, float above) {
  Mask mask(static_cast<int>(canonical_mask.size[0]), static_cast<int>(canonical_mask.size[1]));
  for_each_pixel(canonical_mask.size, k, [&](std::size_t pixel, std::size_t voxel) {
    mask.pixels[pixel] = canonical_mask.voxels[voxel] > above ? 1 : 0;
  });
  return mask;
}

Volume slice_along(const Volume& canonical, int axis, std::int64_t index) {
  const std::size_t across = axis == 0 ? 1 : 0;
  const std::size_t up = axis == 2 ? 1 : 2;
  MEDSEG_CHECK(index >= 0 && index < canonical.size[static_cast<std::size_t>(axis)],
               "slice out of range");
  const auto spacing = canonical.spacing_mm();
  Volume out;
  out.size = {canonical.size[across], canonical.size[up], 1};
  out.affine[0][0] = spacing[across];
  out.affine[1][1] = spacing[up];
  out.modality = canonical.modality;
  out.voxels.reserve(static_cast<std::size_t>(out.size[0] * out.size[1]));
  for (std::int64_t b = 0; b < out.size[1]; ++b) {
    for (std::int64_t a = 0; a < out.size[0]; ++a) {
      std::array<std::int64_t, 3> at{};
      at[static_cast<std::size_t>(axis)] = index;
      at[across] = a;
      at[up] = b;
      out.voxels.push_back(canonical.at(at[0], at[1], at[2]));
    }
  }
  return out;
}

Mask axial_mask(const VoxelMask& canonical_mask, std::int64_t k) {
  Mask mask(static_cast<int>(canonical_mask.size[0]), static_cast<int>(canonical_mask.size[1]));
  for_each_pixel(canonical_mask.size, k, [&](std::size_t pixel, std::size_t voxel) {
    mask.pixels[pixel] = canonical_mask.voxels[voxel];
  });
  return mask;
}

}  // namespace medseg
