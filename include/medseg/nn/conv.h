/// \file
/// Convolutions over feature maps.
#pragma once

#include <cstdint>
#include <utility>

#include "medseg/nn/module.h"

namespace medseg {

/// Keys: weight [out, in / groups, k, k], bias [out].
class Conv2d : public Module {
 public:
  struct Options {
    std::int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
    bool bias = true;
  };
  Conv2d(std::int64_t in, std::int64_t out, const Options& options);

  at::Tensor forward(const at::Tensor& x) const;  ///< [B, in, H, W] -> [B, out, H', W']
  const Options& options() const { return options_; }

  at::Tensor weight, bias;

 private:
  Options options_;
};

/// Convolution without bias, then batch normalisation (eps 1e-5). Keys: c.weight, bn.{weight, bias,
/// running_mean, running_var, num_batches_tracked}.
///
/// A frozen norm (its weight requires no gradient) uses and keeps its running statistics even in
/// training mode: a frozen encoder inside a model that trains must not drift.
class ConvBatchNorm : public Module {
 public:
  ConvBatchNorm(std::int64_t in, std::int64_t out, Conv2d::Options options);

  at::Tensor forward(const at::Tensor& x) const;  ///< [B, in, H, W] -> [B, out, H', W']
  /// Weight and bias of one convolution that equals both with the running statistics. No gradient.
  std::pair<at::Tensor, at::Tensor> folded() const;
  const Conv2d::Options& options() const { return conv_.options(); }

 private:
  Conv2d conv_;
  at::Tensor weight_, bias_, running_mean_, running_var_, batches_;
};

/// Transposed convolution with kernel 2 and stride 2. Every pixel becomes four and none overlap, so
/// it is computed as a dense layer. Keys: weight [in, out, 2, 2], bias [out].
class Upsample2x2 : public Module {
 public:
  Upsample2x2(std::int64_t in, std::int64_t out);

  /// [..., in] -> [..., 2, 2, out]: row and column among the pixel's four. Channels stay last.
  at::Tensor forward(const at::Tensor& x) const;
  /// The same without adding the bias.
  at::Tensor product(const at::Tensor& x) const;

  at::Tensor weight, bias;
};

}  // namespace medseg
