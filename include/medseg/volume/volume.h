/// \file
/// Three-dimensional scans: voxels, where they lie in the patient, and slices of them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

/// `voxels[(k * size[1] + j) * size[0] + i]`: the first axis runs fastest. Values are physical (scaled).
struct Volume {
  std::array<std::int64_t, 3> size{};  ///< voxels along i, j, k
  std::vector<float> voxels;
  /// mm_from_voxel: rows x, y, z of a RAS+ frame (x to the right, y to the front, z to the head), last column the origin.
  std::array<std::array<double, 4>, 3> affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};

  std::array<double, 3> spacing_mm() const;  ///< length of the three columns of the affine
  float at(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return voxels[static_cast<std::size_t>((k * size[1] + j) * size[0] + i)];
  }
};

/// NIfTI-1/2 (.nii, .nii.gz), NRRD (.nrrd, raw or gzip) or InVesalius (.inv3), told by the bytes.
/// \throws DataError naming the file and what is wrong with it.
Volume read_volume(const std::filesystem::path& path);

/// Mask `index` stored beside the matrix of an InVesalius project, voxels 0 or 1, in the geometry
/// of `read_volume(path)`. \throws DataError as above, or if there is no such mask.
Volume read_inv3_mask(const std::filesystem::path& path, int index);

/// Names of the masks of an InVesalius project by index, as its author wrote them ("" where none).
std::vector<std::string> inv3_mask_names(const std::filesystem::path& path);

/// Axes permuted and flipped so that i runs to the right, j to the front, k to the head (nearest
/// axes; an oblique rest stays in the affine).
Volume to_canonical(const Volume& volume);

/// Value range shown as 0…255.
struct Window {
  std::string name;  ///< "ct-bone", "ct-lung", "mr-percentile", …; stored in manifests and bundles
  double low = 0;
  double high = 255;
};

/// Fixed windows by name: ct-bone, ct-lung, ct-soft, ct-brain. \throws ConfigError listing the known.
Window named_window(const std::string& name);

/// From the two percentiles (0…100) of the voxels above zero, linear between ranks as numpy.
Window percentile_window(const Volume& volume, double low_percent, double high_percent);

/// Axial slice k of a canonical volume as a radiologist sees it: front at the top, the patient's right on
/// the left. 8 bits: round(255 * clamp((v - low) / (high - low))).
Image axial_slice(const Volume& canonical, std::int64_t k, const Window& window);

/// A 16-bit picture through a window, rounded in the same way.
Image through_window(const Image16& picture, const Window& window);

/// Same geometry for a mask volume: voxel > above.
Mask axial_mask(const Volume& canonical_mask, std::int64_t k, float above = 0.5F);

}  // namespace medseg
