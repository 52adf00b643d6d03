/// \file
/// Layer normalisation over the channel axis of a feature map.
#pragma once

#include <cstdint>

#include "medseg/nn/module.h"

namespace medseg {

/// Normalises each pixel over its channels. Keys: weight, bias [channels].
class LayerNorm2d : public Module {
 public:
  explicit LayerNorm2d(std::int64_t channels, double eps = 1e-6);

  at::Tensor forward(const at::Tensor& x) const;  ///< [B, C, H, W] -> the same
  /// [..., C] -> the same, for maps with channels last.
  at::Tensor forward_last(const at::Tensor& x) const;

  double eps() const { return eps_; }

  at::Tensor weight, bias;

 private:
  double eps_;
};

}  // namespace medseg
