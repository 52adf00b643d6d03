/// \file
/// The true masks of an image, as losses take them.
#pragma once

#include <ATen/core/Tensor.h>

#include "medseg/models/grounding.h"

namespace medseg {

/// The masks of one image.
struct MaskTruth {
  at::Tensor masks;  ///< [n, H, W] float32 of 0 and 1; n may be 0
  ModelFrame frame;
  /// Of the masks (boundary_distances), [n, H, W]; where undefined, they are computed when needed.
  at::Tensor distances{};
};

}  // namespace medseg
