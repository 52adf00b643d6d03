/// \file
/// Resizing of 8-bit pictures, equal to Pillow's `Image.resize` to the last bit.
///
/// Pillow resamples separably with antialiasing (the filter widens when shrinking), horizontal
/// first, rounds to 8 bits between the two passes and uses fixed-point coefficients with 22
/// fractional bits (Pillow, src/libImaging/Resample.c).
/// Pillow 13 runs the vertical pass first when the height shrinks by more than twice what the width
/// shrinks by (one grey level of difference here and there). This stays with the order of Pillow up
/// to 12, with which the published models were made.
#pragma once

#include "medseg/image/image.h"

namespace medseg {

enum class Filter { kBox, kBilinear, kBicubic };  ///< bicubic: a = -0.5, as Pillow

/// \pre width, height > 0.
Image resize(const Image& image, int width, int height, Filter filter);

/// crop(resize(image, width, height, filter), x, y, part_width, part_height), but only the part is
/// computed: the middle of a picture of 1x4000 pixels costs what it weighs. \pre the part lies
/// inside.
Image resize_part(const Image& image, int width, int height, Filter filter, int x, int y,
                  int part_width, int part_height);

/// Nearest pixel centre; for masks that must stay binary.
Mask resize_nearest(const Mask& mask, int width, int height);

/// Cut-out; parts beyond the picture are 0.
Image crop(const Image& image, int x, int y, int width, int height);

}  // namespace medseg
