/// \file
/// Rotary positions (arXiv 2104.09864), half-split form as in transformers' LLaMA.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Cosines and sines of position · theta^(−2i / head_dim), i < head_dim / 2: two tables [positions, head_dim / 2] float32.
struct RotaryTables {
  RotaryTables(std::int64_t positions, std::int64_t head_dim, double theta);
  at::Tensor cosine, sine;
};

/// `x` [B, T, heads, head_dim] -> [B, heads, T, head_dim], contiguous, as attention wants it; tables [T, head_dim / 2] of
/// its positions: the pair (x_i, x_{i + head_dim/2}) turns by the angle of its position. Computed in fp32; the dtype
/// stays. The gradient is the inverse turn.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

}  // namespace medseg
