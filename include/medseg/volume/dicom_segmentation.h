/// \file
/// DICOM SEG (PS3.3 A.51): masks that go back to the viewer that their series came from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/volume/morphology.h"

namespace medseg {

struct DicomSegment {
  std::string label;  ///< decides its SNOMED CT code, where the table has it
  VoxelMask mask;     ///< in the order of `read_volume(source)`
};

/// Writes the segments that are not empty: BINARY, one frame a segment and source slice that is not
/// empty, Explicit VR Little Endian, frames ordered by segment, then by place. The file refers to
/// the source's series and repeats its patient and study, as the standard demands: keep it where
/// the scan is kept. `source` is a DICOM series folder or file, `index` its volume (4-D);
/// `algorithm` names who drew. Gives the number of each segment, 0 for one without a voxel; nothing
/// is written where all are so.
/// \throws DataError if the source says not where its frames lie, or the file cannot be written.
std::vector<int> write_dicom_segmentation(const std::filesystem::path& path,
                                          const std::filesystem::path& source,
                                          std::optional<std::int64_t> index,
                                          const std::vector<DicomSegment>& segments,
                                          const std::string& algorithm);

}  // namespace medseg
