/// \file
/// The first frame of a GIF (87a, 89a), for the masks of DRIVE.
#pragma once

#include <filesystem>

#include "medseg/image/image.h"

namespace medseg {

/// Grey: the mean of each palette colour. What the frame does not cover is 0.
/// \throws DataError naming the file: no GIF, cut short, more than 2^24 pixels, a broken code.
Image read_gif(const std::filesystem::path& path);

}  // namespace medseg
