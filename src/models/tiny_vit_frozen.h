/// \file
/// TinyViT without gradients, made for speed: batch norms folded into convolutions, channels last
/// throughout, wide hidden maps never leave a core's cache.
///
/// An image is [B, H, W, C] contiguous, fp32 or bf16; every part computes in the dtype of its
/// input.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/nn/conv.h"
#include "medseg/nn/pixelwise.h"
#include "medseg/nn/window_attention.h"

namespace medseg::frozen {

/// A matrix, ready in both precisions.
class Matrix {
 public:
  Matrix() = default;
  explicit Matrix(const at::Tensor& weight);  ///< [out, in]

  at::Tensor forward(const at::Tensor& x) const;  ///< [..., in] -> [..., out]
  void forward_into(const at::Tensor& x,
                    at::Tensor& out) const;  ///< [n, in] -> [n, out] contiguous
  std::int64_t out() const { return weight_.size(0); }

 private:
  at::Tensor weight_, narrow_weight_;
};

/// A dense layer whose bias is added by the pass that follows.
struct Dense {
  Dense() = default;
  Dense(const at::Tensor& weight, const at::Tensor& offset);  ///< [out, in], [out]
  explicit Dense(const ConvBatchNorm& pointwise);             ///< a 1×1 convolution with its norm

  at::Tensor forward(const at::Tensor& x,
                     Then then = Then::kNothing) const;  ///< [..., in] -> [..., out]

  Matrix matrix;
  PerChannel bias;
};

/// A convolution with its norm, of the image or near it; 1×1 ones are dense.
class Convolution {
 public:
  Convolution() = default;
  explicit Convolution(const ConvBatchNorm& convolution);

  at::Tensor forward(const at::Tensor& x,
                     Then then = Then::kNothing) const;  ///< [B, H, W, C] -> [B, H', W', C']

 private:
  Dense dense_;
  at::Tensor weight_, narrow_weight_;  // [out, in, k, k], undefined when dense
  PerChannel bias_;
  std::int64_t stride_ = 1, padding_ = 0;
};

struct Norm {
  Norm() = default;
  Norm(const at::Tensor& weight, const at::Tensor& bias, double epsilon);

  at::Tensor forward(const at::Tensor& x) const { return normalise(x, affine, eps); }
  PerChannel affine;
  at::Tensor zero;  ///< [C] float: what a vector of zeros becomes
  double eps = 1e-5;
};

/// Expand 1×1, GELU, depthwise 3×3, GELU, project 1×1; with `residual` also + x, GELU. MBConv and
/// patch merging alike.
struct Bottleneck {
  Dense expand, project;
  PerChannel depthwise;
  std::int64_t stride = 1;
  bool residual = false;

  at::Tensor forward(const at::Tensor& x) const;  ///< [B, H, W, C] -> [B, H', W', C']
};

/// Window attention, local convolution, MLP.
struct Block {
  std::int64_t window = 7;
  Norm attention_norm, mlp_norm;
  Dense qkv, projection, fc1, fc2;
  PairBias attention_bias;  ///< of window² cells
  PerChannel local;

  at::Tensor forward(const at::Tensor& x) const;  ///< [B, H, W, C] -> the same

 private:
  at::Tensor attend(
      const at::Tensor& windows) const;  // [n, window², C] normalised -> the same, without bias
  void add_mlp(at::Tensor& x) const;     // in place
};

struct Encoder {
  Convolution embed0, embed2;
  std::vector<Bottleneck>
      bottlenecks;  ///< stage 0's blocks, then one merging after each of stages 0 … 2
  std::size_t first_merging = 0;
  std::vector<std::vector<Block>> stages;  ///< 1 … 3
  Matrix neck0;
  Norm neck1, neck3;
  at::Tensor neck2, narrow_neck2;  ///< [C, C, 3, 3]

  at::Tensor forward(
      const at::Tensor& pixels) const;  ///< [B, 3, G, G] fp32 or bf16 -> [B, C, h, w]
};

}  // namespace medseg::frozen
