/// \file
/// Cubic-spline resizing with antialiasing, as MedSAM prepares its images.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// skimage.transform.resize(x, order=3, anti_aliasing=True, mode="reflect"): a Gaussian of
/// deviation (factor - 1) / 2 along each shrinking axis, then scipy's cubic B-spline on pixel
/// centres with mirrored edges; clipped to the input's range. [C, H, W] float32 -> [C, height,
/// width] float64: a cut to 8 bits must not meet values that were rounded up to the next level.
at::Tensor spline_resize(const at::Tensor& pixels, std::int64_t height, std::int64_t width);

}  // namespace medseg
