/// \file
/// Headers of NIfTI files that we write.
#pragma once

#include <filesystem>
#include <string>

#include "medseg/volume/volume.h"

namespace medseg {

/// Everything in front of the voxels of a single-file NIfTI of unsigned bytes: placed as the header
/// of `like` says, where that is a NIfTI file, else by `stored.affine` (NIfTI-1 in little-endian,
/// sform, and qform where the axes are at right angles). \throws DataError if `like` cannot be
/// read.
std::string nifti_header(const Volume& stored, const std::filesystem::path& like);

}  // namespace medseg
