/// \file
/// Rule-made masks of scans: thresholds, components, holes, opening and closing. Every result
/// equals scipy.ndimage with its default structuring element (the cross: 6 neighbours in 3-D, 4 in
/// a slice) and border value 0: what lies outside the scan is background, so closing may lose
/// voxels at the border, as scipy's does.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "medseg/volume/volume.h"

namespace medseg {

/// Binary mask of a scan, 0 or 1 a voxel, laid out as `Volume::voxels`.
struct VoxelMask {
  std::array<std::int64_t, 3> size{};
  std::vector<std::uint8_t> voxels;

  VoxelMask() = default;
  explicit VoxelMask(const std::array<std::int64_t, 3>& voxels_along)
      : size(voxels_along), voxels(static_cast<std::size_t>(size[0] * size[1] * size[2])) {}

  std::int64_t count() const;  ///< foreground voxels
  bool operator==(const VoxelMask&) const = default;
};

/// low <= voxel <= high.
VoxelMask threshold(const Volume& volume, double low, double high);

/// Voxels whose rounded value is one of `labels`; for label volumes.
VoxelMask labelled(const Volume& volume, const std::vector<int>& labels);

/// \pre equal sizes.
VoxelMask intersection(const VoxelMask& a, const VoxelMask& b);
VoxelMask union_of(const VoxelMask& a, const VoxelMask& b);
VoxelMask difference(const VoxelMask& a, const VoxelMask& b);  ///< `a` and not `b`

/// Voxel count of each 6-connected component, and the component (1, 2, …; 0 background) of each
/// voxel; numbered in the order their first voxel appears in memory.
struct Components {
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> counts;  ///< of component i + 1
};
Components components(const VoxelMask& mask);

/// The up to `n` largest components whose count exceeds `relative_size` times the largest's; of
/// equal counts the first wins. Empty stays empty.
VoxelMask largest_components(const VoxelMask& mask, int n = 1, double relative_size = 0.0);

/// Background that no path through background joins to the slice's border becomes foreground, slice
/// by slice along k.
VoxelMask fill_holes_by_slice(const VoxelMask& mask);

/// \pre iterations >= 1.
VoxelMask erode(const VoxelMask& mask, int iterations = 1);
VoxelMask dilate(const VoxelMask& mask, int iterations = 1);
VoxelMask open(const VoxelMask& mask, int iterations = 1);   ///< erode, then dilate
VoxelMask close(const VoxelMask& mask, int iterations = 1);  ///< dilate, then erode

/// The same on each slice along k alone (4 neighbours).
VoxelMask open_by_slice(const VoxelMask& mask, int iterations = 1);
VoxelMask close_by_slice(const VoxelMask& mask, int iterations = 1);

/// Gaussian of `sigma` voxels along i and j of each slice, cut at 4 sigma, mirrored at the border
/// (scipy's `gaussian_filter(…, (0, sigma, sigma))` with mode "reflect").
Volume blur_slices(const Volume& volume, double sigma);

/// Of all voxels, linear between ranks as numpy; `percent` 0…100.
double percentile(const Volume& volume, double percent);

/// Axial slice k of a mask made on a canonical volume, in the geometry of `axial_slice`.
Mask axial_mask(const VoxelMask& canonical_mask, std::int64_t k);

}  // namespace medseg
