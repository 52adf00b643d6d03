/// \file
/// COCO run-length encoding (pycocotools): columns first, runs of 0 and 1 in turn, counts
/// packed as 6-bit characters with differences to the run two before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

struct Rle {
  int height = 0;
  int width = 0;
  std::string counts;  ///< the compressed form; JSON key "counts", "size" is [height, width]
};

Rle encode_rle(const Mask& mask);
/// \throws DataError if the counts are malformed or do not add up to height * width.
Mask decode_rle(const Rle& rle);

/// Polygons [[x0, y0, x1, y1, …], …] in image pixels, filled as pycocotools does; their union.
/// \throws DataError on fewer than three points or an odd count.
Mask fill_polygons(const std::vector<std::vector<double>>& polygons, int width, int height);

}  // namespace medseg
