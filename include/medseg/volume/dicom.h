/// \file
/// What DICOM files hold beside grey volumes. `read_volume` reads those: a file of one or several
/// frames, or the one series of a folder, with modality LUT or rescaling applied, in the grid that
/// image positions and orientations say. VOI look-up tables are applied, a window is kept beside
/// the values, MONOCHROME1 is inverted, padding becomes not a number, colours become grey. No
/// attribute of the patient is read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "medseg/image/image.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// Frame `frame` of a coloured DICOM file (RGB, YBR, palette) as 8-bit RGB; nothing where it is
/// grey. \throws DataError naming the file.
std::optional<Image> read_dicom_colour(const std::filesystem::path& path, std::int64_t frame = 0);

/// A folder of DICOM images that are each a series of their own: radiographs, not slices of one
/// scan. \throws DataError on a damaged file.
bool holds_single_images(const std::filesystem::path& folder);

/// Slice `index` along `axis` of labels laid on the voxels of `grid`, as `slice_along` of them: a
/// DICOM SEG holds only the slices that are not empty. Both turned to the nearest RAS axes; what
/// `labels` does not cover is 0. Nothing where a label lies between voxels of `grid`, or outside.
std::optional<Volume> slice_laid_on(const Volume& labels, const Volume& grid, int axis,
                                    std::int64_t index);

}  // namespace medseg
