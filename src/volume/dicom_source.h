/// \file
/// The frames that a volume was read from, for files that refer to them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dicom_frames.h"

namespace medseg {

/// One slice of the source, where its frame came from.
struct DicomSourceFrame {
  std::filesystem::path path;
  std::string class_uid, instance_uid;
  std::size_t frame = 0;  ///< counted from 0
  PlacedFrame place;
};

struct DicomSource {
  std::vector<DicomSourceFrame> slices;  ///< as `read_volume` orders them
  bool multi_frame = false;
  int rows = 0, columns = 0;
  double step_mm = 1;
};

/// Of a series folder or file; `index` as `read_volume`. \throws DataError if it does not say where
/// its images lie.
DicomSource dicom_source(const std::filesystem::path& path, std::optional<std::int64_t> index);

}  // namespace medseg
