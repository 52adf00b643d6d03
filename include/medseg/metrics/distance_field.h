/// \file
/// Exact Euclidean distances to the nearest set cell of an image or a volume whose steps differ by
/// axis (Felzenszwalb and Huttenlocher 2012), in time linear in the cells.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "medseg/metrics/packed_mask.h"

namespace medseg {

/// Millimetres between neighbours along depth, rows and columns.
using GridSpacing = std::array<double, 3>;

/// The square of the distance from each cell's centre to that of the nearest set cell, the width
/// running fastest; infinite everywhere where nothing is set. `cells[i]` != 0 is set.
std::vector<double> squared_distances(const std::vector<std::uint8_t>& cells, const GridSize& size,
                                      const GridSpacing& spacing);

}  // namespace medseg
