/// \file
/// SAM's two-way transformer: a few tokens and the cells of an image attend to each other (arXiv
/// 2304.02643, appendix A).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"
#include "medseg/nn/norm.h"

namespace medseg {

/// Multi-head attention whose inner width may be smaller than the model's. Keys:
/// {q,k,v,out}_proj.{weight,bias}.
///
/// With an image on one side (L cells, thousands) and tokens on the other (T, a handful), the
/// image's projections are never computed: (x Wq)(y Wk)ᵀ = x (Wq Wkᵀ yᵀ), and the bracket, made
/// from the tokens, is T rows a head. The result is the same up to rounding, for less than half of
/// the work and without maps of inner width in memory.
class CrossAttention : public Module {
 public:
  CrossAttention(std::int64_t width, std::int64_t inner, std::int64_t heads);

  /// Tokens attend to tokens: [K, T, C] each -> [K, T, C].
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;
  /// Tokens `q` [K, T, C] attend to cells: `k` [K, L, C] with positions, `v` [K, L, C] without ->
  /// [K, T, C].
  at::Tensor tokens_to_image(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;
  /// Cells `q` [K, L, C] (with positions) attend to tokens `k`, `v` [K, T, C] -> `residual` [K, L,
  /// C] + the result.
  at::Tensor image_to_tokens(const at::Tensor& residual, const at::Tensor& q, const at::Tensor& k,
                             const at::Tensor& v) const;

 private:
  at::Tensor per_head(const at::Tensor& tokens) const;  // [K, T, I] -> [heads, K·T, I / heads]
  at::Tensor by_image(const at::Tensor& rows,
                      std::int64_t images) const;   // [heads, K·T, C] -> [K, heads·T, C]
  at::Tensor head_rows(const Linear& layer) const;  // weight [I, C] -> [heads, I / heads, C]

  std::int64_t width_, inner_, heads_;
  double scale_;
  Linear q_proj_, k_proj_, v_proj_, out_proj_;
};

/// Keys: layers.i.{self_attn,norm1,cross_attn_token_to_image,norm2,mlp.{lin1,lin2},norm3,norm4,
/// cross_attn_image_to_token},
/// final_attn_token_to_image, norm_final_attn.
class TwoWayTransformer : public Module {
 public:
  TwoWayTransformer(std::int64_t width, std::int64_t depth, std::int64_t heads,
                    std::int64_t mlp_width);
  ~TwoWayTransformer() override;

  /// `tokens` [K, T, C], `image` [K, L, C] and its `positions` [L, C], both in the dtype to compute
  /// in. -> processed tokens [K, T, C] and image [K, L, C].
  std::pair<at::Tensor, at::Tensor> forward(const at::Tensor& tokens, const at::Tensor& image,
                                            const at::Tensor& positions) const;

 private:
  class Layer;
  std::vector<std::unique_ptr<Layer>> layers_;
  CrossAttention final_attention_;
  LayerNorm final_norm_;
};

}  // namespace medseg
