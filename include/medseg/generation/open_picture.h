/// \file
/// The image that a user names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "medseg/image/image.h"

namespace medseg {

struct PictureOptions {
  std::filesystem::path file;
  std::string window;
  std::optional<std::int64_t> slice;
};

/// 8 bits, as the manifest's reader would make it: a 16-bit image or a slice of a volume through
/// its window. \throws DataError naming the file; ConfigError on an unknown window, or a volume
/// without --slice.
Image open_picture(const PictureOptions& options);

}  // namespace medseg
