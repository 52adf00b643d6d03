/// \file
/// From masks of slices, as a radiologist sees them, to masks of their volume, and what those
/// measure.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// Adds the mask of slice `index` along `axis`, in the view of `slice_along` and `axial_slice`.
/// \pre in range, of the slice's size.
void put_slice(VoxelMask& canonical, int axis, std::int64_t index, const Mask& seen);

/// The mask of that slice in the same view. \pre in range.
Mask slice_of(const VoxelMask& canonical, int axis, std::int64_t index);

/// What is left when a piece of a slice (voxels that touch by a side) is kept only where the mask
/// of a neighbouring slice covers at least one of its voxels. Every piece is judged by the given
/// mask, so two slices support each other.
VoxelMask supported_by_neighbours(const VoxelMask& canonical, int axis);

struct MaskMeasures {
  std::int64_t voxels = 0;
  double volume_ml = 0;
  /// From the first to the last voxel along right, front and head, both counted; 0 where empty.
  std::array<double, 3> extent_mm{};
  std::vector<std::int64_t> slices;  ///< along `axis`, those that are not empty
  std::vector<double> areas_mm2;     ///< of each of them
};
/// `grid` gives the affine; its voxels are not needed.
MaskMeasures measure(const VoxelMask& canonical, const Volume& grid, int axis);

}  // namespace medseg
