/// \file
/// DICOM RTSTRUCT (PS3.3 A.19): contours drawn on the slices of a scan.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/volume/dicom_segmentation.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// Told by its class. \throws DataError if the file cannot be read.
bool is_dicom_structures(const std::filesystem::path& path);

/// Region `number` of an RTSTRUCT on the voxels of `grid`, turned to the nearest RAS axes: a voxel
/// belongs to it if an odd number of its slice's contours lies round the voxel's centre.
/// \throws DataError on a region that is not there, and on contours that lie in no slice of `grid`.
VoxelMask read_dicom_structure(const std::filesystem::path& path, std::int64_t number,
                               const Volume& grid);

/// Writes the segments that are not empty as regions 1, 2, …, contours along the edges of their
/// pixels, numbers of at most 16 bytes. The rest is as `write_dicom_segmentation`.
std::vector<int> write_dicom_structures(const std::filesystem::path& path,
                                        const std::filesystem::path& source,
                                        std::optional<std::int64_t> index,
                                        const std::vector<DicomSegment>& segments);

}  // namespace medseg
