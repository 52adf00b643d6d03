/// \file
/// Activation checkpointing (arXiv 1604.06174): memory for time. A block keeps its input alone, and runs a second time when
/// its gradient is due.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

namespace medseg {

/// block(x), whose gradients are bit for bit those of a plain call: what it draws from torch's generators and the autocast
/// around it are in the second run what they were in the first. `x` and the result may have any shape.
///
/// The block must be a function of x, of tensors that stay as they are until the backward pass is over, and of torch's
/// generators; its parameters get their gradients from `backward()`, the only way through: torch::autograd::grad() throws.
/// `trains`: whether any of its parameters wants a gradient; x need not, so that adapters learn behind a frozen input. Where
/// neither does, and where no gradient is recorded, the call is a plain one. Calls may nest. What the block throws in its
/// second run comes out of backward().
at::Tensor checkpointed(const std::function<at::Tensor(const at::Tensor&)>& block,
                        const at::Tensor& x, bool trains);

}  // namespace medseg
