/// \file
/// Activation checkpointing (arXiv 1604.06174) saves memory at the price of time: a block keeps
/// only its input and runs a second time in the backward pass.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Calls block(x). The gradients are bit for bit those of a plain call: the second run has the same
/// states of torch's generators and the same autocast as the first. `x` and the result may have any
/// shape.
///
/// The block must be a function of x, of tensors that do not change before the backward pass is
/// over, and of torch's generators. Its parameters get their gradients only from `backward()`;
/// torch::autograd::grad() throws. `trains`: whether any of its parameters requires a gradient; x
/// need not, so that adapters behind a frozen input train. If neither does, or no gradient is
/// recorded, it is a plain call. Calls may nest. An error of the block in its second run leaves
/// backward().
at::Tensor checkpointed(const std::function<at::Tensor(const at::Tensor&)>& block,
                        const at::Tensor& x, bool trains);

}  // namespace medseg
