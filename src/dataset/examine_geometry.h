/// \file
/// Numbers of slices and coordinates of polygons that other programs count otherwise.
#pragma once

#include <string>

#include "medseg/dataset/manifest.h"

namespace medseg {

/// What is odd about the polygons of a mask in an image of this size, in one line; "" for nothing:
/// shares of the image for pixels, x and y changed over, points far outside, a ring inside another.
std::string polygon_oddity(const MaskSource& source, int width, int height);

/// Where the file stores the slice, in the order of its own axes, if that number is another one;
/// "" otherwise. `axes` as axes_name gives them, `count` slices along the record's axis.
std::string slice_number_note(const SliceOfVolume& slice, const std::string& axes,
                              std::int64_t count);

}  // namespace medseg
