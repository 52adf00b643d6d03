/// \file
/// What a picture file says of itself, read before anything is decoded: decoders allocate what the
/// header asks for and hand out half pictures when the file ends early, so both are checked here.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace medseg {

enum class PictureFormat { kPng, kJpeg, kTiff, kBmp };

struct PictureHeader {
  PictureFormat format = PictureFormat::kPng;
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool grey_alpha = false;     ///< PNG grey with alpha: decoded as four channels
  bool white_is_zero = false;  ///< TIFF whose smallest value is white
  bool floating = false;       ///< TIFF of floating-point samples
};

/// \throws DataError starting with `file`: unknown format, malformed, truncated or too large.
PictureHeader read_picture_header(std::span<const std::uint8_t> bytes, const std::string& file);

}  // namespace medseg
