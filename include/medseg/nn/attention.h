/// \file
/// Causal attention with grouped queries (arXiv 2305.13245), for training on the CPU.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

namespace medseg {

/// softmax(q kᵀ / √d + causal mask) v: `q` [B, H, T, d], `k` and `v` [B, H / g, T, d], any g -> [B,
/// H, T, d]. Forward is torch's fused kernel. The gradient is ours: whole matrix products over the
/// g heads of a group. torch's works in small blocks and takes six times as long at the lengths of
/// a dialogue. `lengths`: T holds these sequences one after the other, none of which sees another;
/// empty: one.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            c10::IntArrayRef lengths = {});

/// Which keys are seen when `rows` tokens follow `past` others and none looks back `window` tokens
/// or more (0: no limit): [rows, past + rows] bool on `device`, true where the key is seen.
at::Tensor causal_mask(std::int64_t rows, std::int64_t past, std::int64_t window,
                       at::Device device);

/// As causal_attention, but a token sees only itself and the `window` − 1 before it (Mistral, arXiv
/// 2310.06825). `mask` is causal_mask(T, 0, window) for the T of the longest sequence, made once
/// for all layers.
at::Tensor windowed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              std::int64_t window, const at::Tensor& mask,
                              c10::IntArrayRef lengths = {});

}  // namespace medseg
