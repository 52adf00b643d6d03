#include "medseg/volume/morphology.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace medseg {
namespace {

std::size_t index_of(std::int64_t n) { return static_cast<std::size_t>(n); }

template <class Combine>
VoxelMask combine(VoxelMask a, const VoxelMask& b, Combine both) {
  MEDSEG_CHECK(a.size == b.size, "masks of different sizes");
  for (std::size_t v = 0; v < a.voxels.size(); ++v) {
    a.voxels[v] = both(a.voxels[v], b.voxels[v]);
  }
  return a;
}

enum class Reach { kVolume, kSlice };  ///< neighbours in k too, or only within a slice

/// One step of the cross: foreground shrinks or grows by a voxel. Outside is background.
VoxelMask step(const VoxelMask& mask, Reach reach, bool grow) {
  VoxelMask result(mask.size);
  const std::int64_t ni = mask.size[0], nj = mask.size[1], nk = mask.size[2];
  const std::size_t width = index_of(ni);
  const std::vector<std::uint8_t> outside(width, 0);
  const auto row = [&](std::int64_t j, std::int64_t k) {
    const bool within = j >= 0 && j < nj && k >= 0 && k < nk;
    return within ? mask.voxels.data() + index_of((k * nj + j) * ni) : outside.data();
  };
  for (std::int64_t k = 0; k < nk; ++k) {
    for (std::int64_t j = 0; j < nj; ++j) {
      const std::uint8_t* centre = row(j, k);
      const std::uint8_t* around[4] = {row(j - 1, k), row(j + 1, k), centre, centre};
      if (reach == Reach::kVolume) {
        around[2] = row(j, k - 1);
        around[3] = row(j, k + 1);
      }
      std::uint8_t* to = result.voxels.data() + index_of((k * nj + j) * ni);
      for (std::size_t i = 0; i < width; ++i) {
        const std::uint8_t left = i > 0 ? centre[i - 1] : std::uint8_t{0};
        const std::uint8_t right = i + 1 < width ? centre[i + 1] : std::uint8_t{0};
        const int any =
            centre[i] | left | right | around[0][i] | around[1][i] | around[2][i] | around[3][i];
        const int all =
            centre[i] & left & right & around[0][i] & around[1][i] & around[2][i] & around[3][i];
        to[i] = static_cast<std::uint8_t>(grow ? any : all);
      }
    }
  }
  return result;
}

VoxelMask steps(VoxelMask mask, Reach reach, bool grow, int iterations) {
  MEDSEG_CHECK(iterations >= 1, "at least one iteration");
  for (int n = 0; n < iterations; ++n) mask = step(mask, reach, grow);
  return mask;
}

}  // namespace

std::int64_t VoxelMask::count() const {
  return std::accumulate(voxels.begin(), voxels.end(), std::int64_t{0});
}

VoxelMask threshold(const Volume& volume, double low, double high) {
  VoxelMask mask(volume.size);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    mask.voxels[v] = volume.voxels[v] >= low && volume.voxels[v] <= high;
  }
  return mask;
}

VoxelMask labelled(const Volume& volume, const std::vector<int>& labels) {
  VoxelMask mask(volume.size);
  const std::vector<float> wanted(labels.begin(), labels.end());
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    const float value = std::round(volume.voxels[v]);
    mask.voxels[v] = std::find(wanted.begin(), wanted.end(), value) != wanted.end();
  }
  return mask;
}

VoxelMask intersection(const VoxelMask& a, const VoxelMask& b) {
  return combine(a, b, [](int x, int y) { return static_cast<std::uint8_t>(x & y); });
}

VoxelMask union_of(const VoxelMask& a, const VoxelMask& b) {
  return combine(a, b, [](int x, int y) { return static_cast<std::uint8_t>(x | y); });
}

VoxelMask difference(const VoxelMask& a, const VoxelMask& b) {
  return combine(a, b, [](int x, int y) { return static_cast<std::uint8_t>(x != 0 && y == 0); });
}

VoxelMask erode(const VoxelMask& mask, int iterations) {
  return steps(mask, Reach::kVolume, false, iterations);
}

VoxelMask dilate(const VoxelMask& mask, int iterations) {
  return steps(mask, Reach::kVolume, true, iterations);
}

VoxelMask open(const VoxelMask& mask, int iterations) {
  return dilate(erode(mask, iterations), iterations);
}

VoxelMask close(const VoxelMask& mask, int iterations) {
  return erode(dilate(mask, iterations), iterations);
}

VoxelMask open_by_slice(const VoxelMask& mask, int iterations) {
  const VoxelMask eroded = steps(mask, Reach::kSlice, false, iterations);
  return steps(eroded, Reach::kSlice, true, iterations);
}

VoxelMask close_by_slice(const VoxelMask& mask, int iterations) {
  const VoxelMask dilated = steps(mask, Reach::kSlice, true, iterations);
  return steps(dilated, Reach::kSlice, false, iterations);
}

}  // namespace medseg
