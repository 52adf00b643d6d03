/// \file
/// The text loss.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// Mean over rows of −log softmax(logits)[label]: `logits` [n, V], `labels` [n] int64 within 0 …
/// V-1, n > 0 -> scalar float32. `smoothing` e spreads that share of a label evenly: (1 − e) −log
/// p[label] + e mean_j −log p[j]. Computed in fp32 for any dtype of logits. Equal to
/// at::cross_entropy_loss on logits converted to fp32, without its three fp32 copies of a
/// vocabulary-wide matrix.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                         double smoothing = 0.0);

}  // namespace medseg
