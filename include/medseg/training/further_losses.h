/// \file
/// Losses on masks beside LISA's two, each behind a weight of LossOptions, in the picture's own pixels and float32.
///
///     focal      y = ±1 (mask, not), p_y = sigmoid(y x), a = alpha on the mask and 1 - alpha elsewhere (1 if alpha < 0):
///                mean over pixels of  -a (1 - p_y)^gamma log p_y            (Lin et al., arXiv 1708.02002; SAM's and LISA's kin)
///     boundary   mean over pixels of  sigmoid(x) φ, φ the signed distance   (Kervadec et al., arXiv 1812.07032; distance.h)
///
/// The boundary loss counts in pixels and is below 0 for a good mask. Its authors begin without it, or with a weight near
/// 0.01, beside a loss of overlap.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// [K] of `logits` [K, H, W] and `truth` [K, H, W] of 0 and 1. Neither way keeps a map beside these two.
at::Tensor focal_loss(const at::Tensor& logits, const at::Tensor& truth, double gamma,
                      double alpha);

/// φ of each mask of `truth` [K, H, W], computed on the calling thread; the result lies where `truth` does.
at::Tensor boundary_distances(const at::Tensor& truth);

/// [K] of `logits` and `distances` [K, H, W].
at::Tensor boundary_loss(const at::Tensor& logits, const at::Tensor& distances);

}  // namespace medseg
