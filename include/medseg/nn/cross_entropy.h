/// \file
/// The text loss.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// Mean over rows of −log softmax(logits)[label]: `logits` [n, V], `labels` [n] int64 within 0 … V-1, n > 0 -> scalar
/// float32. `smoothing` e spreads that share of a label evenly: (1 − e) −log p[label] + e mean_j −log p[j]. Computed in fp32 whatever the logits are; equal to at::cross_entropy_loss on the widened logits, without
/// the three fp32 copies of a vocabulary-wide matrix.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                         double smoothing = 0.0);

}  // namespace medseg
