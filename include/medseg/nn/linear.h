/// \file
/// Dense layer, optionally with a low-rank adapter.
#pragma once

#include <cstdint>
#include <utility>

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
  /// W + s B A in fp32; the layer stays as it is. Without an adapter: W.
  at::Tensor merged_weight() const;
  /// W becomes merged_weight(), and the adapter is gone.
  void merge_adapter();
  /// Until an undefined tensor ends it, the layer answers with this matrix alone: merged weights for an evaluation
  /// in the midst of training.
  void answer_with(at::Tensor merged) { stand_in_ = std::move(merged); }

  at::Tensor weight, bias;
  at::Tensor lora_a, lora_b;

 private:
  std::int64_t rank_ = 0;
  double scale_ = 0, dropout_ = 0;
  at::Tensor stand_in_;
};

}  // namespace medseg
