/// \file
/// Pixels of masks: area, box, connected pieces, contact. Image frame.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

struct Region {
  std::int64_t area = 0;
  std::array<int, 4> box{};        ///< x0, y0, x1, y1; the last two are one past the end
  std::array<double, 2> centre{};  ///< mean of pixel centres, counted as x + 0.5
};
Region region_of(const Mask& mask);

/// x and y of every pixel that is set.
std::vector<std::array<int, 2>> pixels_of(const Mask& mask);

/// The pixels of each 8-connected piece, in the order in which a scan by rows meets them.
std::vector<std::vector<std::array<int, 2>>> pieces_of(const Mask& mask);

std::int64_t overlap_of(const Mask& a, const Region& ra, const Mask& b, const Region& rb);

/// Some pixel of `a` is one of the eight neighbours of a pixel of `b`, or a pixel of it.
bool touch(const Mask& a, const Region& ra, const Mask& b);

}  // namespace medseg
