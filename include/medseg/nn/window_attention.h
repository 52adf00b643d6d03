/// \file
/// Attention inside small windows with a learned bias for each pair of cells (TinyViT, arXiv
/// 2207.10666; LeViT, arXiv 2104.01136).
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Biases of pairs of cells, prepared for both kernels.
class PairBias {
 public:
  PairBias() = default;
  explicit PairBias(const at::Tensor& bias);  ///< [heads, cells, cells], any float dtype

  std::int64_t heads() const { return plain_.size(0); }
  std::int64_t cells() const { return plain_.size(1); }
  const at::Tensor& plain() const { return plain_; }  ///< [heads, cells, cells] float
  /// The biases times log2(e), [heads, cells, cells rounded up to 32] float: of each 32 keys the
  /// even ones, then the odd ones. Keys that do not exist have a very low value.
  const at::Tensor& parted() const { return parted_; }

 private:
  at::Tensor plain_, parted_;
};

/// softmax(q kᵀ / √d + bias) v in each of n windows: `qkv` [n, cells, heads · 3 · d] contiguous,
/// fp32 or bf16, with q, k and v of the first head, then of the next -> [n, cells, heads · d], the
/// same dtype. Without gradients. In bf16 with d = 32 (all published TinyViTs) on a CPU with AMX it
/// uses our kernel, whose scores stay in the core's cache; otherwise torch's attention.
at::Tensor window_attention(const at::Tensor& qkv, const PairBias& bias);

/// The same by torch's operators, on any device and with gradients; `bias` [heads, cells, cells].
at::Tensor window_attention(const at::Tensor& qkv, const at::Tensor& bias);

}  // namespace medseg
