/// \file
/// The size of an image file, as it is shown upright.
#pragma once

#include <filesystem>
#include <utility>

namespace medseg {

/// Width and height. \throws DataError naming the file.
std::pair<int, int> image_size(const std::filesystem::path& path);

}  // namespace medseg
