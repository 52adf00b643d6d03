/// \file
/// A page of a TIFF file: its size, and whether all its pixels are in the file.
#pragma once

#include <optional>
#include <vector>

#include "bytes.h"

namespace medseg {

struct TiffHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool white_is_zero = false;
  int photometric = 1;
  std::size_t photometric_at = 0;  ///< byte of its value; 0 where the directory has none
  int bits = 1;                    ///< of one sample
  int samples = 1;                 ///< of one pixel
  bool floating = false;           ///< samples are floating-point numbers
  std::size_t format_at = 0;       ///< byte of the sample format, as photometric_at
  std::size_t spare_at = 0;        ///< entry of a tag that says nothing of the pixels; 0 where none
  int orientation = 1;
  std::size_t orientation_at = 0;
};

/// Where the directory of each page begins; at most 65536 pages. \throws DataError on a chain that
/// turns back.
std::vector<std::size_t> tiff_pages(const Bytes& bytes);

/// Of the page whose directory begins at `start`, or of the first.
/// \throws DataError if the directory is malformed or a strip or tile lies beyond the file.
TiffHeader read_tiff_header(const Bytes& bytes, std::optional<std::size_t> start = std::nullopt);

}  // namespace medseg
