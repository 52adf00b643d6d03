#include "medseg/models/llama.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/nn/attention.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/gated_silu.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/rotary.h"

namespace medseg {
namespace {

constexpr double kEmbeddingDeviation = 0.02;  // of transformers' untrained models

std::int64_t head_dim_of(const LlamaOptions& options) {
  return options.head_dim > 0 ? options.head_dim : options.width / options.heads;
}

/// What all layers of one pass share.
struct Pass {
  at::Tensor cosine, sine;  // [T, head_dim / 2], of the positions of this pass
  at::Tensor mask;          // [T, past + T] bool, only where is_causal cannot say it
  bool causal = false;
  KvCache* past = nullptr;
};

}  // namespace

class LlamaBlock : public Module {
 public:
  LlamaBlock(const LlamaOptions& options, std::int64_t index)
      : index_(index),
        head_dim_(head_dim_of(options)),
        q_(options.width, options.heads * head_dim_, false),
        k_(options.width, options.kv_heads * head_dim_, false),
        v_(options.width, options.kv_heads * head_dim_, false),
        o_(options.heads * head_dim_, options.width, false),
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

 private:
  at::Tensor attention(const at::Tensor& x, const Pass& pass) const {
    const auto B = x.size(0), T = x.size(1);
    const auto heads = [&](const at::Tensor& y) { return y.view({B, T, -1, head_dim_}); };
    const auto q = rotate(heads(q_.forward(x)), pass.cosine, pass.sine);  // [B, heads, T, head_dim]
    auto k = rotate(heads(k_.forward(x)), pass.cosine, pass.sine);
    auto v = heads(v_.forward(x)).transpose(1, 2);
    at::Tensor attended;
    if (pass.past == nullptr) {
      attended = causal_attention(q, k, v);
    } else {
      std::tie(k, v) = pass.past->append(index_, k, v);
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

Llama::Llama(const LlamaOptions& options) : options_(options) {
  if (options.heads % options.kv_heads != 0 || head_dim_of(options) % 2 != 0) {
    throw ConfigError(str("language.heads: ", options.heads, " heads do not share ",
                          options.kv_heads, " key heads, or a head of ", head_dim_of(options),
                          " is not even"));
  }
  register_parameter("embed_tokens.weight", embed_tokens,
                     normal_parameter({options.vocabulary, options.width}, kEmbeddingDeviation));
  if (!options.tied_head) {
    head = normal_parameter({options.vocabulary, options.width}, kEmbeddingDeviation);
  }
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_.push_back(std::make_unique<LlamaBlock>(options, i));
    register_module(str("layers.", i), *layers_.back());
  }
  register_parameter("norm.weight", norm_, constant_parameter({options.width}, 1.0));
  const RotaryTables tables(options.max_positions, head_dim_of(options), options.rope_theta);
  cosine_ = tables.cosine;
  sine_ = tables.sine;
}

Llama::~Llama() = default;

at::Tensor Llama::forward(const at::Tensor& embeddings, KvCache* past) const {
  const auto T = embeddings.size(1);
  const auto start = past != nullptr ? past->length() : 0;
  const auto end = start + T;
  if (end > options_.max_positions) {
    throw DataError(str("dialogue: ", end,
                        " tokens with its images, the language model has positions for ",
                        options_.max_positions));
  }
  const auto device = embeddings.device();
  Pass pass{.cosine = cosine_.slice(0, start, end).to(device),
            .sine = sine_.slice(0, start, end).to(device),
            .mask = {},
            .causal = T > 1 && start == 0,
            .past = past};
  if (T > 1 && start > 0) {
    pass.mask = at::ones({T, end}, at::TensorOptions(at::kBool).device(device)).tril(start);
  }
  auto x = embeddings.to(compute_dtype(embeddings));
  for (const auto& layer : layers_) x = layer->forward(x, pass);
  if (past != nullptr) past->advance(T);
  return rms_norm(x, norm_, options_.norm_eps);
}

}  // namespace medseg
