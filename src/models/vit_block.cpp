#include "vit_block.h"

#include <ATen/ATen.h>

#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

at::Tensor scaled(const at::Tensor& tensor, const at::Tensor& scale) {
  if (!scale.defined()) return tensor;
  return tensor.dim() == 1 ? tensor * scale : tensor * scale.unsqueeze(1);
}

at::Tensor narrowed(const at::Tensor& weight) { return weight.to(at::kBFloat16).contiguous(); }

at::Tensor biased(const at::Tensor& x, const at::Tensor& weight, const PerChannel& bias,
                  Then then = Then::kNothing) {
  auto y = at::linear(x, weight);
  add_bias(y, bias, then);
  return y;
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kQuickGelu:
      return x * at::sigmoid(1.702 * x);
  }
  return x;
}

at::Tensor attend(const at::Tensor& x, const Linear& query, const Linear& key, const Linear& value,
                  std::int64_t heads) {
  const auto split = [&](const Linear& layer) {  // [B, heads, T, D / heads]
    return layer.forward(x).view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(query), split(key), split(value))
      .transpose(1, 2)
      .reshape(x.sizes());
}

NarrowBlock::NarrowBlock(const Parts& parts) {
  const at::NoGradGuard no_grad;
  qkv_ = narrowed(at::cat({parts.query.weight, parts.key.weight, parts.value.weight}));
  out_ = narrowed(scaled(parts.out.weight, parts.attention_scale));
  fc1_ = narrowed(parts.fc1.weight);
  fc2_ = narrowed(scaled(parts.fc2.weight, parts.mlp_scale));
  qkv_bias_ = PerChannel(at::cat({parts.query.bias, parts.key.bias, parts.value.bias}));
  out_bias_ = PerChannel(scaled(parts.out.bias, parts.attention_scale));
  fc1_bias_ = PerChannel(parts.fc1.bias);
  fc2_bias_ = PerChannel(scaled(parts.fc2.bias, parts.mlp_scale));
}

bool NarrowBlock::fits(const at::Tensor& x) {
  return !x.requires_grad() && x.is_cpu() && compute_dtype(x) == at::kBFloat16;
}

at::Tensor NarrowBlock::forward(const at::Tensor& x, const LayerNorm& norm1, const LayerNorm& norm2,
                                std::int64_t heads, Activation activation) const {
  const auto qkv = biased(norm1.forward(x).to(at::kBFloat16), qkv_, qkv_bias_);
  const auto parts = qkv.view({x.size(0), x.size(1), 3, heads, -1}).permute({2, 0, 3, 1, 4});
  const auto mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2])
                         .transpose(1, 2)
                         .reshape(x.sizes());
  const auto attended = x + biased(mixed, out_, out_bias_);
  const auto normed = norm2.forward(attended).to(at::kBFloat16);
  const auto hidden = activation == Activation::kGelu
                          ? biased(normed, fc1_, fc1_bias_, Then::kGelu)
                          : activate(biased(normed, fc1_, fc1_bias_), activation);
  return attended + biased(hidden, fc2_, fc2_bias_);
}

}  // namespace medseg
