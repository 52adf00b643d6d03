/// \file
/// Losses on masks beside LISA's two, in the image's own pixels and float32. Each is off unless its
/// weight in LossOptions is above 0.
///
///     focal      mean over pixels of  -a (1 - p_y)^gamma log p_y  with p_y = sigmoid(y x), where
///                y = 1 on the mask and -1 elsewhere, and a = alpha on the mask and 1 - alpha
///                elsewhere, or 1 if alpha < 0 (Lin et al., arXiv 1708.02002)
///     boundary   mean over pixels of  sigmoid(x) φ,  φ the signed distance to the mask in
///                pixels (distance.h; Kervadec et al., arXiv 1812.07032)
///
/// The boundary loss is in pixels and below 0 for a good mask. Its authors start without it, or
/// with a weight near 0.01, beside an overlap loss.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// `logits` [K, H, W], `truth` [K, H, W] of 0 and 1 -> [K]. Keeps no other map for the backward
/// pass.
at::Tensor focal_loss(const at::Tensor& logits, const at::Tensor& truth, double gamma,
                      double alpha);

/// φ of each mask of `truth` [K, H, W], on the device of `truth`; computed on the calling thread.
at::Tensor boundary_distances(const at::Tensor& truth);

/// `logits` and `distances` [K, H, W] -> [K].
at::Tensor boundary_loss(const at::Tensor& logits, const at::Tensor& distances);

}  // namespace medseg
