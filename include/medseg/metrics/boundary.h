/// \file
/// Boundary IoU (Cheng et al. 2021, boundary_iou_api/boundary_iou/utils/boundary_utils.py).
///
///     boundary of a mask = mask less its erosion by the square of side 2 d + 1
///     d  = round(ratio * diagonal of the image in pixels), at least 1; outside the image is 0
#pragma once

#include "medseg/metrics/packed_mask.h"

namespace medseg {

/// The pixels of an image's mask within `distance` of its rim (chessboard distance).
PackedMask inner_boundary(const PackedMask& mask, std::int64_t distance);

/// I/U of both boundaries; 1 if both are empty.
double boundary_iou(const PackedMask& predicted, const PackedMask& reference, double ratio = 0.02);

}  // namespace medseg
