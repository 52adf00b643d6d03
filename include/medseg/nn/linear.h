/// \file
/// Dense layer, optionally with a low-rank adapter.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "medseg/nn/low_bit.h"
#include "medseg/nn/module.h"

namespace medseg {

/// y = x Wᵀ + b, and with an adapter (LoRA, arXiv 2106.09685): + s · dropout(x) Aᵀ Bᵀ, s = alpha / r or, rank
/// stabilised (rsLoRA, arXiv 2312.03732), alpha / √r.
/// Keys: weight [out, in], bias [out]; lora_A.weight [r, in], lora_B.weight [out, r] (as PEFT names them).
/// Weights start as torch.nn.Linear's (Kaiming uniform, a = sqrt 5) unless loaded.
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool bias = true);

  at::Tensor forward(const at::Tensor& x) const;  ///< [..., in] -> [..., out]

  /// A from Kaiming uniform, B zero: the output does not change until trained. Both require a gradient.
  void add_adapter(std::int64_t rank, double alpha, double dropout, bool rank_stabilised = false);
  bool has_adapter() const { return rank_ > 0; }
  /// W + s B A in fp32; the layer stays as it is. Without an adapter: W (kept in few bits: as that stands for, in the dtype
  /// that it was promised to be saved in).
  at::Tensor merged_weight() const;
  /// W becomes merged_weight(), and the adapter is gone.
  void merge_adapter();
  /// Until an undefined tensor ends it, the layer answers with this matrix alone: merged weights for an evaluation
  /// in the midst of training.
  void answer_with(at::Tensor merged) { stand_in_ = std::move(merged); }
  /// The same for W kept in few bits: merged_weight() in `dtype`, made anew for each answer, until std::nullopt.
  void answer_merged(std::optional<at::ScalarType> dtype) { merged_dtype_ = dtype; }

  /// From now on W, which must not want a gradient, is kept as a LowBitMatrix alone. `weight` keeps its shape, as `saved`, but
  /// is NaN all over and takes no memory. \throws CheckpointError on a value that is not finite.
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
