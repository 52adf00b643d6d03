/// \file
/// Volumes: voxels, where they lie in the patient, and slices of them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/image/image.h"
#include "medseg/volume/window.h"

namespace medseg {

/// `voxels[(k * size[1] + j) * size[0] + i]`: the first axis runs fastest. Values are physical
/// (scaled); not a number where the file says that nothing was measured (DICOM's padding).
struct Volume {
  std::array<std::int64_t, 3> size{};  ///< voxels along i, j, k
  std::vector<float> voxels;
  /// mm_from_voxel: rows x, y, z of a RAS+ frame (x to the right, y to the front, z to the head),
  /// last column the origin.
  std::array<std::array<double, 4>, 3> affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  std::string modality;          ///< "ct", "mr", … where the file says it (DICOM), else ""
  std::optional<Window> window;  ///< the file's own (DICOM VOI)
  /// What a user should know of the reading (a tilted gantry, colours read as grey), one line each.
  std::vector<std::string> notes;

  std::array<double, 3> spacing_mm() const;  ///< length of the three columns of the affine
  float at(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return voxels[static_cast<std::size_t>((k * size[1] + j) * size[0] + i)];
  }
};

struct VoxelMask;  // morphology.h

/// Kinds of files that hold volumes.
enum class VolumeFormat {
  kNifti,
  kNrrd,
  kMetaImage,
  kInvesalius,
  kDicom,
  kDicomSegmentation,  ///< DICOM SEG: a label volume
  kDicomFolder
};

/// Told by the bytes, never by the name; nothing where the file is none of them. A folder is a
/// DICOM series.
/// \throws DataError if the file cannot be read.
std::optional<VolumeFormat> volume_format(const std::filesystem::path& path);

/// NIfTI-1/2 (single file or pair), NRRD, MetaImage or InVesalius (.inv3), plain or gzip, DICOM
/// files and series folders (dicom.h). Of a file of several volumes (4-D) `index` chooses one; of a
/// DICOM SEG it chooses the segment of that number, without it all become one label volume.
/// \throws DataError naming the file and what is wrong with it.
Volume read_volume(const std::filesystem::path& path,
                   std::optional<std::int64_t> index = std::nullopt);

/// The header beside `image`, the voxels of a NIfTI pair; "" where it is none.
std::filesystem::path nifti_header_of(const std::filesystem::path& image);

/// Mask `index` stored beside the matrix of an InVesalius project, voxels 0 or 1, in the geometry
/// of `read_volume(path)`. \throws DataError as above, or if there is no such mask.
Volume read_inv3_mask(const std::filesystem::path& path, int index);

/// Names of the masks of an InVesalius project by index, as its author wrote them ("" where none).
std::vector<std::string> inv3_mask_names(const std::filesystem::path& path);

/// Axes permuted and flipped so that i runs to the right, j to the front, k to the head (nearest
/// axes; an oblique rest stays in the affine).
Volume to_canonical(const Volume& volume);

/// The volume's voxels where they were before `to_canonical`, for an answer that goes back to its
/// file.
/// \pre `canonical` has the size of `to_canonical(stored)`.
VoxelMask from_canonical(const VoxelMask& canonical, const Volume& stored);

/// Where the stored axes run to: "RAS" is right, anterior, superior; "LPI" is what many CTs have.
std::string axes_name(const Volume& volume);

/// Equal sizes, and every voxel within a tenth of a voxel of its counterpart.
bool same_grid(const Volume& a, const Volume& b);

/// Axial slice k of a canonical volume as a radiologist sees it: front at the top, the patient's
/// right on the left. 8 bits: round(255 * clamp((v - low) / (high - low))).
Image axial_slice(const Volume& canonical, std::int64_t k, const Window& window);

/// Slice `index` along `axis` as a volume of one axial slice, so that `axial_slice` and
/// `axial_mask` draw every axis: coronal and sagittal slices have the head at the top, sagittal
/// ones the front on the left. \pre in range.
Volume slice_along(const Volume& canonical, int axis, std::int64_t index);

/// Same geometry for a mask volume: voxel > above.
Mask axial_mask(const Volume& canonical_mask, std::int64_t k, float above = 0.5F);

}  // namespace medseg
