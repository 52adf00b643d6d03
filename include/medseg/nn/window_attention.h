/// \file
/// Attention inside small windows with a learned bias for each pair of cells (TinyViT, arXiv 2207.10666; LeViT, arXiv
/// 2104.01136).
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Biases of pairs of cells, ready for both ways of computing.
class PairBias {
 public:
  PairBias() = default;
  explicit PairBias(const at::Tensor& bias);  ///< [heads, cells, cells], any float dtype

  std::int64_t heads() const { return plain_.size(0); }
  std::int64_t cells() const { return plain_.size(1); }
  const at::Tensor& plain() const { return plain_; }  ///< [heads, cells, cells] float
  /// log2(e) times them, [heads, cells, cells rounded up to 32] float: of each 32 keys the even ones, then the odd ones;
  /// far below zero where there is no key.
  const at::Tensor& parted() const { return parted_; }

 private:
  at::Tensor plain_, parted_;
};

/// softmax(q kᵀ / √d + bias) v in each of n windows: `qkv` [n, cells, heads · 3 · d] contiguous, fp32 or bf16, of a cell
/// q, k and v of the first head, then of the next -> [n, cells, heads · d], the same dtype.
/// In bf16 with d = 32 (all published TinyViTs) on a CPU with AMX it is our kernel, whose scores never leave the core's
/// cache; otherwise torch's attention. Without gradients.
at::Tensor window_attention(const at::Tensor& qkv, const PairBias& bias);

/// The same by torch, on any device and with gradients; `bias` [heads, cells, cells].
at::Tensor window_attention(const at::Tensor& qkv, const at::Tensor& bias);

}  // namespace medseg
