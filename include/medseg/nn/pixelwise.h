/// \file
/// Passes over feature maps that memory traffic decides: written for the CPU, fp32 and bf16, without gradient.
/// (Where gradients are wanted, or on another device, use the ATen operators of the same meaning.)
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// x · Φ(x) in place. fp32 is at::gelu; bf16 is a polynomial that stays 5e-5 from it, far below bf16's own step.
void gelu_in_place(at::Tensor& x);

/// Weights of a 3×3 depthwise convolution in the order of its inner loop.
struct DepthwiseWeights {
  DepthwiseWeights() = default;
  DepthwiseWeights(const at::Tensor& weight, const at::Tensor& bias);  ///< [C, 1, 3, 3], [C]
  at::Tensor taps;  ///< [10, C] float: nine taps, then the bias
};

/// Zero-padded by one to the left and right only: the rows come with their neighbours above and below.
/// `rows` [R, W, C] -> `out` [(R-3)/stride + 1, ceil(W / stride), C], same dtype, both contiguous. One thread.
void depthwise_3x3_rows(const at::Tensor& rows, const DepthwiseWeights& weights,
                        std::int64_t stride, at::Tensor& out);

/// The whole map, zero-padded by one: `x` [B, H, W, C] contiguous -> [B, ceil(H / stride), ceil(W / stride), C].
at::Tensor depthwise_3x3(const at::Tensor& x, const DepthwiseWeights& weights,
                         std::int64_t stride = 1);

}  // namespace medseg
