/// \file
/// The image that a user names: a picture file, or a slice of a volume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "medseg/dataset/manifest.h"

namespace medseg {

struct PictureOptions {
  std::filesystem::path file;
  std::string window;
  std::string modality;  ///< "ct", "mr", …: decides the window where none is named
  std::optional<std::int64_t> slice;
  std::optional<std::int64_t> volume;  ///< of a file with several (4-D)
  int axis = 2;
};

/// 8 bits, exactly as the manifest's reader makes it (read_image_of). What was guessed stands in
/// `notes`. A DICOM file of one image needs no `slice`. \throws DataError naming the file;
/// ConfigError on an unknown window, a volume without `slice`, a slice that it does not have, and
/// on `slice` for a file that is no volume.
RecordImage open_picture(const PictureOptions& options);

}  // namespace medseg
