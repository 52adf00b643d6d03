// One decoder layer of the LLaMA family, and what all layers of a pass share.
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>

#include "medseg/models/llama.h"
#include "medseg/nn/attention.h"
#include "medseg/nn/gated_silu.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/rotary.h"

namespace medseg {

inline std::int64_t head_dim_of(const LlamaOptions& options) {
  return options.head_dim > 0 ? options.head_dim : options.width / options.heads;
}

/// What all layers of one pass share.
struct Llama::Pass {
  at::Tensor cosine, sine;  // [T, head_dim / 2], of the positions of this pass
  at::Tensor mask;          // [T, keys] bool, only where is_causal cannot say it
  bool causal = false;
  std::int64_t window = 0;              // 0 also where all tokens fit it
  std::vector<std::int64_t> lengths{};  // of a packed batch
  KvCache* past = nullptr;
};

class LlamaBlock : public Module {
 public:
  using Pass = Llama::Pass;

  LlamaBlock(const LlamaOptions& options, std::int64_t index)
      : index_(index),
        head_dim_(head_dim_of(options)),
        q_(options.width, options.heads * head_dim_,
           options.attention_bias != AttentionBias::kNone),
        k_(options.width, options.kv_heads * head_dim_,
           options.attention_bias != AttentionBias::kNone),
        v_(options.width, options.kv_heads * head_dim_,
           options.attention_bias != AttentionBias::kNone),
        o_(options.heads * head_dim_, options.width,
           options.attention_bias == AttentionBias::kQkvo),
        gate_(options.width, options.mlp_width, false),
        up_(options.width, options.mlp_width, false),
        down_(options.mlp_width, options.width, false),
        input_norm_(options.width, options.norm_eps),
        mlp_norm_(options.width, options.norm_eps) {
    register_module("self_attn.q_proj", q_);
    register_module("self_attn.k_proj", k_);
    register_module("self_attn.v_proj", v_);
    register_module("self_attn.o_proj", o_);
    register_module("mlp.gate_proj", gate_);
    register_module("mlp.up_proj", up_);
    register_module("mlp.down_proj", down_);
    register_module("input_layernorm", input_norm_);
    register_module("post_attention_layernorm", mlp_norm_);
  }

  at::Tensor forward(const at::Tensor& x, const Pass& pass) const {
    const auto attended = x + attention(input_norm_.forward(x), pass);
    const auto normed = mlp_norm_.forward(attended);
    return attended + down_.forward(gated_silu(gate_.forward(normed), up_.forward(normed)));
  }

  // What a pass that reads the matrices in place needs (llama_decode.cpp).
  const Linear& q() const { return q_; }
  const Linear& k() const { return k_; }
  const Linear& v() const { return v_; }
  const Linear& o() const { return o_; }
  const Linear& gate() const { return gate_; }
  const Linear& up() const { return up_; }
  const Linear& down() const { return down_; }
  const at::Tensor& input_norm() const { return input_norm_.weight; }
  const at::Tensor& mlp_norm() const { return mlp_norm_.weight; }

 private:
  at::Tensor attention(const at::Tensor& x, const Pass& pass) const {
    const auto B = x.size(0), T = x.size(1);
    const auto heads = [&](const at::Tensor& y) { return y.view({B, T, -1, head_dim_}); };
    const auto q = rotate(heads(q_.forward(x)), pass.cosine, pass.sine);  // [B, heads, T, head_dim]
    auto k = rotate(heads(k_.forward(x)), pass.cosine, pass.sine);
    auto v = heads(v_.forward(x)).transpose(1, 2);
    at::Tensor attended;
    if (pass.past == nullptr) {
      attended = pass.window > 0 ? windowed_attention(q, k, v, pass.window, pass.mask, pass.lengths)
                                 : causal_attention(q, k, v, pass.lengths);
    } else {
      std::tie(k, v) = pass.past->append(index_, k, v);
      if (pass.window > 0 && T == 1) {  // one token needs no mask, only the keys of its window
        k = k.slice(2, k.size(2) - pass.window);
        v = v.slice(2, v.size(2) - pass.window);
      }
      std::optional<at::Tensor> mask;  // torch applies mask and is_causal both: only one is given
      if (pass.mask.defined()) mask = pass.mask;
      attended = at::scaled_dot_product_attention(q, k, v, mask, /*dropout_p=*/0.0, pass.causal,
                                                  /*scale=*/std::nullopt, /*enable_gqa=*/true);
    }
    return o_.forward(attended.transpose(1, 2).reshape({B, T, -1}));
  }

  std::int64_t index_, head_dim_;
  Linear q_, k_, v_, o_, gate_, up_, down_;
  RmsNorm input_norm_, mlp_norm_;
};

}  // namespace medseg
