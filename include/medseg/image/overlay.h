/// \file
/// Masks drawn over a picture for people: tinted inside, a solid line at the edge, one colour a
/// mask from a palette that stays apart for colour-blind readers (Okabe-Ito), optional legend.
#pragma once

#include <string>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

struct OverlayMask {
  Mask mask;
  std::string label;  ///< shown in the legend below the picture; empty: no entry
};

/// RGB. Small pictures are enlarged by a whole factor until the short side reaches `min_side`.
/// `pixel_aspect` is the height of a pixel / its width in millimetres; where it is not 1, the
/// shorter of the two is stretched, so that shapes are true. \pre above 0.
Image draw_overlay(const Image& image, const std::vector<OverlayMask>& masks, int min_side = 512,
                   double pixel_aspect = 1);

}  // namespace medseg
