/// \file
/// The one call of the image decoders.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <opencv2/core.hpp>

#include "picture_header.h"

namespace medseg {

/// As OpenCV decodes it, unchanged. \throws DataError if the decoder gives up or the size is not
/// the header's.
cv::Mat decode_image(std::span<const std::uint8_t> bytes, const PictureHeader& header,
                     const std::string& file);

/// \throws DataError on a page that is not there, or several pages and none chosen.
void check_page(std::optional<int> page, int pages, const std::string& file);

}  // namespace medseg
