#include "two_way_transformer.h"

#include <cmath>
#include <tuple>

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/nn/map_ops.h"

namespace medseg {
namespace {

constexpr double kNormEps = 1e-5;  // segment-anything's; 1e-6 is only for the feature maps around

}  // namespace

CrossAttention::CrossAttention(std::int64_t width, std::int64_t inner, std::int64_t heads)
    : width_(width),
      inner_(inner),
      heads_(heads),
      scale_(1.0 / std::sqrt(static_cast<double>(inner) / static_cast<double>(heads))),
      q_proj_(width, inner),
      k_proj_(width, inner),
      v_proj_(width, inner),
      out_proj_(inner, width) {
  TORCH_CHECK(inner % heads == 0, "CrossAttention: ", heads, " heads do not divide a width of ",
              inner);
  register_module("q_proj", q_proj_);
  register_module("k_proj", k_proj_);
  register_module("v_proj", v_proj_);
  register_module("out_proj", out_proj_);
}

at::Tensor CrossAttention::forward(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v) const {
  const auto split = [this](const at::Tensor& x) {  // [K, T, I] -> [K, heads, T, I / heads]
    return x.view({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
  };
  const auto mixed = at::scaled_dot_product_attention(
      split(q_proj_.forward(q)), split(k_proj_.forward(k)), split(v_proj_.forward(v)));
  return out_proj_.forward(mixed.transpose(1, 2).reshape({q.size(0), q.size(1), inner_}));
}

at::Tensor CrossAttention::per_head(const at::Tensor& tokens) const {
  return tokens.reshape({-1, heads_, inner_ / heads_}).transpose(0, 1);
}

at::Tensor CrossAttention::by_image(const at::Tensor& rows, std::int64_t images) const {
  return rows.view({heads_, images, -1, width_}).transpose(0, 1).reshape({images, -1, width_});
}

at::Tensor CrossAttention::head_rows(const Linear& layer) const {
  return layer.weight.view({heads_, inner_ / heads_, width_});
}

at::Tensor CrossAttention::tokens_to_image(const at::Tensor& q, const at::Tensor& k,
                                           const at::Tensor& v) const {
  const auto images = q.size(0), tokens = q.size(1);
  // Scores of the cells: each query, taken through Wk backwards, meets them in the model's width.
  const auto queries =
      at::bmm(per_head(q_proj_.forward(q) * scale_), head_rows(k_proj_));     // [heads, K·T, C]
  const auto scores = at::bmm(by_image(queries, images), k.transpose(1, 2));  // [K, heads·T, L]
  const auto mixed = at::bmm(at::softmax(scores, -1), v);                     // [K, heads·T, C]
  // Weights of a query sum to one, so v's projection and bias may follow the mixing.
  const auto by_head =
      mixed.view({images, heads_, tokens, width_}).transpose(0, 1).reshape({heads_, -1, width_});
  const auto values =
      at::bmm(by_head, head_rows(v_proj_).transpose(1, 2));  // [heads, K·T, I/heads]
  const auto joined = values.transpose(0, 1).reshape({images, tokens, inner_});
  // k's bias adds the same to all scores of a query, which softmax does not see: its gradient is
  // zero, not absent.
  const auto bias = v_proj_.bias + 0 * k_proj_.bias;
  return out_proj_.forward(joined + bias.to(joined.scalar_type()));
}

at::Tensor CrossAttention::image_to_tokens(const at::Tensor& residual, const at::Tensor& q,
                                           const at::Tensor& k, const at::Tensor& v) const {
  const auto images = k.size(0), tokens = k.size(1);
  const auto keys = per_head(k_proj_.forward(k) * scale_);                // [heads, K·T, I/heads]
  const auto rows = by_image(at::bmm(keys, head_rows(q_proj_)), images);  // [K, heads·T, C]
  // q's bias meets each key: one number a row.
  const auto offsets = at::bmm(keys, q_proj_.bias.view({heads_, -1, 1}))  // [heads, K·T, 1]
                           .view({heads_, images, tokens})
                           .transpose(0, 1)
                           .reshape({images, -1, 1});
  const auto scores = at::baddbmm(offsets, rows, q.transpose(1, 2));  // [K, heads·T, L]
  const auto weights =
      at::softmax(scores.view({images, heads_, tokens, -1}), 2).view(scores.sizes());
  // Values already through their head's columns of Wo; the weights of a head sum to one, so each
  // head brings an equal share of the bias.
  const auto columns = out_proj_.weight.t().view({heads_, -1, width_});  // [heads, I/heads, C]
  const auto share = out_proj_.bias / static_cast<double>(heads_);
  const auto values = at::bmm(per_head(v_proj_.forward(v)), columns);
  const auto added = by_image(values + share.to(values.scalar_type()), images);  // [K, heads·T, C]
  return at::baddbmm(residual, weights.transpose(1, 2), added);
}

class TwoWayTransformer::Layer : public Module {
 public:
  Layer(std::int64_t width, std::int64_t heads, std::int64_t mlp_width, bool first)
      : first_(first),
        self_attention_(width, width, heads),
        to_image_(width, width / 2, heads),
        to_tokens_(width, width / 2, heads),
        norm1_(width, kNormEps),
        norm2_(width, kNormEps),
        norm3_(width, kNormEps),
        norm4_(width, kNormEps),
        lin1_(width, mlp_width),
        lin2_(mlp_width, width) {
    register_module("self_attn", self_attention_);
    register_module("norm1", norm1_);
    register_module("cross_attn_token_to_image", to_image_);
    register_module("norm2", norm2_);
    register_module("mlp.lin1", lin1_);
    register_module("mlp.lin2", lin2_);
    register_module("norm3", norm3_);
    register_module("norm4", norm4_);
    register_module("cross_attn_image_to_token", to_tokens_);
  }

  /// Changes `tokens` [K, T, C], `image` [K, L, C] and `placed_image`, which is image + positions;
  /// `prompt` [K, T, C] are the tokens' positions.
  void forward(at::Tensor& tokens, at::Tensor& image, at::Tensor& placed_image,
               const at::Tensor& prompt, const at::Tensor& positions) const {
    if (first_) {  // the tokens are still their own positions: no positions and no residual here
      tokens = self_attention_.forward(tokens, tokens, tokens);
    } else {
      const auto placed = tokens + prompt;
      tokens = tokens + self_attention_.forward(placed, placed, tokens);
    }
    tokens = norm1_.forward(tokens);
    tokens =
        norm2_.forward(tokens + to_image_.tokens_to_image(tokens + prompt, placed_image, image));
    tokens = norm3_.forward(tokens + lin2_.forward(at::relu(lin1_.forward(tokens))));
    const auto answered = to_tokens_.image_to_tokens(image, placed_image, tokens + prompt, tokens);
    std::tie(image, placed_image) =
        norm_and_place(answered, norm4_.weight, norm4_.bias, kNormEps, positions);
  }

 private:
  bool first_;
  CrossAttention self_attention_, to_image_, to_tokens_;
  LayerNorm norm1_, norm2_, norm3_, norm4_;
  Linear lin1_, lin2_;
};

TwoWayTransformer::TwoWayTransformer(std::int64_t width, std::int64_t depth, std::int64_t heads,
                                     std::int64_t mlp_width)
    : final_attention_(width, width / 2, heads), final_norm_(width, kNormEps) {
  for (std::int64_t i = 0; i < depth; ++i) {
    layers_.push_back(std::make_unique<Layer>(width, heads, mlp_width, i == 0));
    register_module(str_cat("layers.", i), *layers_.back());
  }
  register_module("final_attn_token_to_image", final_attention_);
  register_module("norm_final_attn", final_norm_);
}
TwoWayTransformer::~TwoWayTransformer() = default;

std::pair<at::Tensor, at::Tensor> TwoWayTransformer::forward(const at::Tensor& tokens,
                                                             const at::Tensor& image,
                                                             const at::Tensor& positions) const {
  at::Tensor queries = tokens, cells = image, placed = image + positions;
  for (const auto& layer : layers_) layer->forward(queries, cells, placed, tokens, positions);
  const auto attended = final_attention_.tokens_to_image(queries + tokens, placed, cells);
  return {final_norm_.forward(queries + attended), cells};
}

}  // namespace medseg
