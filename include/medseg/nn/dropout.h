/// \file
/// Dropout without a stored mask.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// Zero with probability `p` in [0, 1), else x / (1 − p). Draws one number from torch's default
/// generator. Whether an element is dropped is a hash of that number and the element's index, so
/// nothing is stored for the gradient and the number of threads does not matter. (at::dropout fills
/// a mask with random numbers, which takes twice as long as the small matrix product that follows.)
at::Tensor dropout(const at::Tensor& x, double p);

}  // namespace medseg
