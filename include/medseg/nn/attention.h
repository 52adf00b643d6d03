/// \file
/// Causal attention with grouped queries (arXiv 2305.13245), for training on the CPU.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

namespace medseg {

/// softmax(q kᵀ / √d + causal mask) v: `q` [B, H, T, d], `k` and `v` [B, H / g, T, d], any g -> [B, H, T, d].
/// Forward is torch's fused kernel. The gradient is our own: whole matrix products over the g heads of a group, where
/// torch's goes through small blocks and takes six times as long at the lengths of a dialogue.
/// `lengths`: T holds so many sequences, one behind the other, none of which sees another; empty: one.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            c10::IntArrayRef lengths = {});

/// Who sees whom when `rows` tokens follow `past` others, none looking back `window` tokens or more (0: as far as there are
/// tokens): [rows, past + rows] bool on `device`, true where the key is seen.
at::Tensor causal_mask(std::int64_t rows, std::int64_t past, std::int64_t window,
                       at::Device device);

/// As causal_attention, but a token sees itself and the `window` − 1 before it alone (Mistral, arXiv 2310.06825).
/// `mask` is causal_mask(T, 0, window), made once for all layers; T of the longest sequence.
at::Tensor windowed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              std::int64_t window, const at::Tensor& mask,
                              c10::IntArrayRef lengths = {});

}  // namespace medseg
