/// \file
/// What the plain vision transformers share: attention and MLP behind a norm each, and the same in
/// bf16 for frozen towers.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "medseg/models/activation.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/pixelwise.h"

namespace medseg {

at::Tensor activate(const at::Tensor& x, Activation activation);

/// softmax(q kᵀ / √d) v of `heads` heads without a mask: `x` [B, T, D] -> [B, T, D], without the
/// output projection.
at::Tensor attend(const at::Tensor& x, const Linear& query, const Linear& key, const Linear& value,
                  std::int64_t heads);

/// The weights of a bf16 pass without gradients, cast once: matrices in bf16, query, key and value
/// in one, and the scales of the two branches (where a block has them) multiplied in.
class NarrowBlock {
 public:
  struct Parts {
    const Linear &query, &key, &value, &out, &fc1, &fc2;
    at::Tensor attention_scale, mlp_scale;  ///< [D]; may be undefined
  };
  explicit NarrowBlock(const Parts& parts);

  /// Whether this pass may use it: bf16 autocast on the CPU, no gradient wanted.
  static bool fits(const at::Tensor& x);
  at::Tensor forward(const at::Tensor& x, const LayerNorm& norm1, const LayerNorm& norm2,
                     std::int64_t heads, Activation activation) const;

 private:
  at::Tensor qkv_, out_, fc1_, fc2_;
  PerChannel qkv_bias_, out_bias_, fc1_bias_, fc2_bias_;
};

}  // namespace medseg
