/// \file
/// Dropout that costs next to nothing.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// Zero with probability `p` in [0, 1), else x / (1 − p). Draws one number from torch's default generator; which
/// elements go is a hash of it and of their place, so nothing is stored for the gradient and the number of threads
/// does not matter. (at::dropout fills a mask with random numbers first: twice the price of the small matrix product
/// behind it.)
at::Tensor dropout(const at::Tensor& x, double p);

}  // namespace medseg
