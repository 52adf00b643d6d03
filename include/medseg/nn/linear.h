/// \file
/// Dense layer, optionally with a low-rank adapter.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "medseg/nn/low_bit.h"
#include "medseg/nn/module.h"

namespace medseg {

/// y = x Wᵀ + b, and with an adapter (LoRA, arXiv 2106.09685) + s · dropout(x) Aᵀ Bᵀ, where s is
/// alpha / r or, rank-stabilised (rsLoRA, arXiv 2312.03732), alpha / √r.
/// Keys: weight [out, in], bias [out]; lora_A.weight [r, in], lora_B.weight [out, r], PEFT's names.
/// Initial values are those of torch.nn.Linear (Kaiming uniform, a = sqrt 5).
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool bias = true);

  at::Tensor forward(const at::Tensor& x) const;  ///< [..., in] -> [..., out]

  /// A is Kaiming uniform, B zero, so the output does not change until trained. Both require
  /// gradients.
  void add_adapter(std::int64_t rank, double alpha, double dropout, bool rank_stabilised = false);
  bool has_adapter() const { return rank_ > 0; }
  /// W + s B A in fp32, without changing the layer. Without an adapter: W, which for a low-bit
  /// matrix is the dequantised one in its `saved` dtype.
  at::Tensor merged_weight() const;
  /// Replaces W by merged_weight() and removes the adapter.
  void merge_adapter();
  /// The layer uses only this matrix until an undefined tensor is given: merged weights for an
  /// evaluation during training.
  void answer_with(at::Tensor merged) { stand_in_ = std::move(merged); }
  /// The one matrix that `forward` multiplies with; undefined where it takes more than one (an
  /// adapter) or makes it first (few bits).
  const at::Tensor& only_matrix() const;
  /// The same for a low-bit W: merged_weight() in `dtype`, computed for each call, until
  /// std::nullopt.
  void answer_merged(std::optional<at::ScalarType> dtype) { merged_dtype_ = dtype; }

  /// From now on W, which must not require a gradient, is kept only as a LowBitMatrix. `weight`
  /// keeps its shape and the dtype `saved`, but takes no memory and reads as NaN. \throws
  /// CheckpointError on a value that is not finite.
  void store_low_bit(LowBitType type, at::ScalarType saved);
  const std::optional<LowBitMatrix>& low_bit() const { return low_bit_; }
  void move_constants(at::Device device) override;

  at::Tensor weight, bias;
  at::Tensor lora_a, lora_b;

 private:
  at::Tensor beside_low_bit(const at::Tensor& x) const;

  std::int64_t rank_ = 0;
  double scale_ = 0, dropout_ = 0;
  at::Tensor stand_in_;
  std::optional<LowBitMatrix> low_bit_;
  std::optional<at::ScalarType> merged_dtype_;
};

}  // namespace medseg
