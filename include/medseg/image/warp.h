/// \file
/// Affine warps of pictures and masks that stay of their size.
#pragma once

#include "medseg/image/image.h"

namespace medseg {

/// Where a pixel of the result comes from: (xx x + xy y + x0, yx x + yy y + y0), image frame, pixel
/// centres at whole numbers.
struct Affine {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;
};

/// What is done to a picture, in this order: mirrored left to right, magnified and turned about its
/// middle, moved.
struct Placement {
  bool flip = false;
  double scale = 1;    ///< above 1 everything is larger
  double degrees = 0;  ///< clockwise, as seen
  double right = 0;    ///< pixels
  double down = 0;     ///< pixels
  double pixel_aspect =
      1;  ///< height of a pixel / its width: turns and magnification are true in millimetres
};

/// \pre scale and pixel_aspect above 0.
Affine source_of(const Placement& placement, int width, int height);

/// Bilinear; what lies beyond the picture is 0. A mere flip is exact.
Image warp(const Image& image, const Affine& source);
/// Nearest pixel centre, so that it stays binary; 0 beyond.
Mask warp(const Mask& mask, const Affine& source);

}  // namespace medseg
