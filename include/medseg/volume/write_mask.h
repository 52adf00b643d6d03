/// \file
/// Masks of volumes as files that overlay their scan voxel for voxel.
#pragma once

#include <filesystem>

#include "medseg/base/choice.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// The names are the endings of the files.
enum class MaskVolumeFormat { kNiftiGz, kNifti, kNrrd, kMetaImage };
template <>
struct Choice<MaskVolumeFormat> {
  static constexpr ChoiceNames<MaskVolumeFormat, 4> names = {
      {{MaskVolumeFormat::kNiftiGz, "nii.gz"},
       {MaskVolumeFormat::kNifti, "nii"},
       {MaskVolumeFormat::kNrrd, "nrrd"},
       {MaskVolumeFormat::kMetaImage, "mha"}}};
};

/// Writes `mask`, in the order of the stored voxels (`from_canonical`), as unsigned bytes. `stored`
/// gives the affine; its voxels are not needed. Where `like` is a NIfTI file and so is the mask,
/// everything that places the voxels (dimensions, voxel sizes, units, qform, sform, byte order)
/// is copied from its header, so that both have the same affine to the last bit; texts of the
/// header are not, because they may name the patient. NRRD and MetaImage are packed.
/// \pre equal sizes. \throws DataError if it cannot be written.
void write_mask_volume(const std::filesystem::path& path, MaskVolumeFormat format,
                       const VoxelMask& mask, const Volume& stored,
                       const std::filesystem::path& like = {});

}  // namespace medseg
