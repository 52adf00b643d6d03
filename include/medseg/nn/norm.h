/// \file
/// Normalisation over the last axis.
#pragma once

#include <cstdint>

#include "medseg/nn/module.h"

namespace medseg {

/// (x - mean) / sqrt(variance + eps) · weight + bias. Keys: weight, bias [width].
class LayerNorm : public Module {
 public:
  LayerNorm(std::int64_t width, double eps);
  at::Tensor forward(const at::Tensor& x) const;  ///< [..., width], the dtype of x stays

  at::Tensor weight, bias;

 private:
  double eps_;
};

/// x / sqrt(mean(x²) + eps) · weight (arXiv 1910.07467). Key: weight [width].
class RmsNorm : public Module {
 public:
  RmsNorm(std::int64_t width, double eps);
  at::Tensor forward(const at::Tensor& x) const;  ///< [..., width], the dtype of x stays

  at::Tensor weight;

 private:
  double eps_;
};

/// The formula of RmsNorm, computed in fp32 for any dtype; one pass forward and one backward on the
/// CPU.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace medseg
