/// \file
/// LISA's losses on masks, in the image's own pixels (src/README.md, choices 14 and 15), and
/// further ones if their weights are above 0 (further_losses.h). Everything here is float32.
///
///     BCE   mean over pixels of  softplus(x) - x t
///     Dice  p = sigmoid(x);  1 - (2 sum(p t)/1000 + 1e-6) / (sum(p)/1000 + sum(t)/1000 + 1e-6)
///
/// The loss of an image is the sum over its n masks / (n + 1e-8); that of a batch is
/// sum_i(loss_i n_i) / (sum_i n_i + 1e-8). Empty true masks count. Without any mask both are 0.
#pragma once

#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/pipeline/mask_truth.h"
#include "medseg/training/options.h"

namespace medseg {

/// `logits` [K, H, W] float32, `truth` [K, H, W] float32 of 0 and 1 -> BCE [K] and Dice [K]. The
/// backward pass is written out: autograd would keep seven maps of this size.
std::pair<at::Tensor, at::Tensor> mask_losses(const at::Tensor& logits, const at::Tensor& truth);

struct BatchMaskLosses {
  at::Tensor bce, dice;            ///< scalars
  at::Tensor focal{}, boundary{};  ///< undefined where their weight is 0
};

/// `mask_logits` [K, 1, g, g] of low resolution, image by image in the order of `truths`. Masks of
/// images of the same frame are upscaled together.
BatchMaskLosses batch_mask_losses(const at::Tensor& mask_logits,
                                  const std::vector<MaskTruth>& truths,
                                  const LossOptions& options = {});

/// `total` plus the further losses times their weights.
at::Tensor with_further_losses(const at::Tensor& total, const BatchMaskLosses& losses,
                               const LossOptions& options);

/// Sets MaskTruth::distances, which the boundary loss needs; loader threads do it ahead of the
/// step.
void add_distances(std::vector<MaskTruth>& truths);

}  // namespace medseg
