/// \file
/// The first page of a TIFF file: its size, and whether all its pixels are in the file.
#pragma once

#include "bytes.h"

namespace medseg {

struct TiffHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool white_is_zero = false;
};

/// \throws DataError if the directory is malformed or a strip or tile lies beyond the file.
TiffHeader read_tiff_header(const Bytes& bytes);

}  // namespace medseg
