/// \file
/// Operations on feature maps whose time is that of reading memory: for the CPU, fp32 and bf16,
/// channels last, without gradients. (Elsewhere use the equivalent ATen operators.)
///
/// In bf16, GELU is a polynomial within 4e-4 of x · Φ(x), a tenth of bf16's own step; in fp32 it is
/// at::gelu.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Numbers per channel, in the order of the inner loops.
class PerChannel {
 public:
  PerChannel() = default;
  explicit PerChannel(const at::Tensor& rows);  ///< [R, C] or [C], any float dtype

  std::int64_t channels() const { return channels_; }
  std::int64_t stride() const { return parted_.size(1); }  ///< floats from row to row
  const float* data() const { return parted_.const_data_ptr<float>(); }

 private:
  std::int64_t channels_ = 0;
  at::Tensor
      parted_;  // [R, C rounded up to 32] float: of each 32 the even channels, then the odd ones
};

enum class Then { kNothing, kGelu };

/// x = x + bias, then GELU; `x` [..., C] contiguous. `bias` may be left out.
void add_bias(at::Tensor& x, const PerChannel& bias, Then then);
/// x = x + bias + other, then GELU if asked for; both [..., C] contiguous.
void add_bias_and(at::Tensor& x, const PerChannel& bias, const at::Tensor& other, Then then);

/// LayerNorm over the last axis: `x` [..., C] contiguous -> the same. `affine` holds weight and
/// bias.
at::Tensor normalise(const at::Tensor& x, const PerChannel& affine, double eps);

/// A 3×3 depthwise convolution: nine taps and the bias. `weight` [C, 1, 3, 3], `bias` [C].
PerChannel depthwise_taps(const at::Tensor& weight, const at::Tensor& bias);

/// Zero-padded by one column on the left and right only: `rows` includes the neighbours above and
/// below. `rows` [R, W, C] -> `out` [(R-3)/stride + 1, ceil(W / stride), C], same dtype, both
/// contiguous. Runs on the calling thread.
void depthwise_3x3_rows(const at::Tensor& rows, const PerChannel& taps, std::int64_t stride,
                        Then then, at::Tensor& out);

/// The whole map, zero-padded by one: `x` [B, H, W, C] contiguous -> [B, ceil(H / stride), ceil(W /
/// stride), C].
at::Tensor depthwise_3x3(const at::Tensor& x, const PerChannel& taps, std::int64_t stride = 1,
                         Then then = Then::kNothing);

}  // namespace medseg
