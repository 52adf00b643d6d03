/// \file
/// Rotary positions (arXiv 2104.09864), half-split form as in transformers' LLaMA.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// theta^(−2i / head_dim), i < head_dim / 2: the angle between two positions, [head_dim / 2]
/// float32.
at::Tensor rotary_frequencies(std::int64_t head_dim, double theta);

/// For texts longer than those of pre-training (Llama 3.1; transformers' rope type "llama3").
/// Frequencies that turn less than `low` times in `original_positions` are divided by `factor`.
/// Those that turn more than `high` times are unchanged. In between, the divisor changes smoothly.
struct Llama3Scaling {
  double factor, low, high;
  std::int64_t original_positions;
};
at::Tensor llama3_scaled(const at::Tensor& frequencies, const Llama3Scaling& scaling);

/// Cosines and sines of position · frequency: two tables [positions, head_dim / 2] float32.
struct RotaryTables {
  RotaryTables(std::int64_t positions, const at::Tensor& frequencies);
  at::Tensor cosine, sine;
};

/// `x` [B, T, heads, head_dim] -> [B, heads, T, head_dim], contiguous, as attention needs it;
/// tables [T, head_dim / 2] of its positions. The pair (x_i, x_{i + head_dim/2}) turns by the angle
/// of its position. Computed in fp32; the result has the dtype of x. The gradient is the inverse
/// rotation.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

}  // namespace medseg
