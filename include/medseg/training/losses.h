/// \file
/// LISA's losses on masks, in the picture's own pixels (semantics 14, 15), and further ones where their weights are above 0
/// (further_losses.h). Everything here is float32.
///
///     BCE   mean over pixels of  softplus(x) - x t
///     Dice  p = sigmoid(x);  1 - (2 sum(p t)/1000 + 1e-6) / (sum(p)/1000 + sum(t)/1000 + 1e-6)
///
/// A picture's loss is the sum over its n masks / (n + 1e-8); a batch's is sum_i(loss_i n_i) / (sum_i n_i + 1e-8).
/// Empty truths count. Without any mask both are 0.
#pragma once

#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/pipeline/mask_truth.h"
#include "medseg/training/options.h"

namespace medseg {

/// Both losses of each mask, ([K], [K]). `logits` [K, H, W] float32, `truth` [K, H, W] float32 of 0 and 1.
/// One pass each way: the backward pass is written out, as autograd would keep seven maps of this size.
std::pair<at::Tensor, at::Tensor> mask_losses(const at::Tensor& logits, const at::Tensor& truth);

struct BatchMaskLosses {
  at::Tensor bce, dice;            ///< scalars
  at::Tensor focal{}, boundary{};  ///< undefined where their weight is 0
};

/// `mask_logits` [K, 1, g, g], low resolution, picture by picture in the order of `truths`. Masks of pictures that share a
/// frame are brought to their pixels together.
BatchMaskLosses batch_mask_losses(const at::Tensor& mask_logits,
                                  const std::vector<MaskTruth>& truths,
                                  const LossOptions& options = {});

/// `total` and the losses that are on beside LISA's, times their weights.
at::Tensor with_further_losses(const at::Tensor& total, const BatchMaskLosses& losses,
                               const LossOptions& options);

/// What the boundary loss needs, ahead of the step.
void add_distances(std::vector<MaskTruth>& truths);

}  // namespace medseg
