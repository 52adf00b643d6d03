/// \file
/// Causal attention with grouped queries (arXiv 2305.13245), for training on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// softmax(q kᵀ / √d + causal mask) v: `q` [B, H, T, d], `k` and `v` [B, H / g, T, d], any g -> [B, H, T, d].
/// Forward is torch's fused kernel. The gradient is our own: whole matrix products over the g heads of a group, where
/// torch's goes through small blocks and takes six times as long at the lengths of a dialogue.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace medseg
