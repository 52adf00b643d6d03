/// \file
/// Exact Euclidean distances within a picture, in pixels from centre to centre.
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

/// Of each pixel the square of the distance to the nearest one that is set, row by row; -1
/// everywhere in a mask that has none. Exact, in time linear in the pixels (Meijster, Roerdink and
/// Hesselink 2000).
std::vector<std::int64_t> squared_distances(const Mask& mask);

/// How far each pixel lies outside of the mask (above 0: the distance to the nearest pixel of it)
/// or inside (0 at its rim, below 0 from there: minus the distance to the nearest pixel outside,
/// plus 1), as the boundary loss of Kervadec et al. (arXiv 1812.07032) counts. All 0 where the mask
/// is empty or fills the picture: there is no boundary.
std::vector<float> signed_distances(const Mask& mask);

}  // namespace medseg
