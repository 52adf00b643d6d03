/// \file
/// Masks as closed contours along the edges of their pixels, and back.
#pragma once

#include <array>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

using Contour = std::vector<std::array<double, 2>>;  ///< (x, y), pixel centres at whole numbers

/// Corners only, no point twice. Pieces that touch by a corner are apart; holes are contours of
/// their own, so that a point belongs to the mask if an odd number of contours lies round it.
std::vector<Contour> trace_contours(const Mask& mask);

/// Turns over every pixel whose centre lies within the contour: all contours of a mask one after
/// another fill it.
void flip_within(const Contour& contour, Mask& mask);

}  // namespace medseg
