#include "clip_encoder.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

/// x + attention(layer_norm1 x), then + mlp(layer_norm2 x).
class ClipEncoder::Layer : public Module {
 public:
  explicit Layer(const ClipEncoderOptions& o)
      : heads_(o.heads),
        activation_(o.activation),
        norm1_(o.width, o.norm_eps),
        norm2_(o.width, o.norm_eps),
        q_(o.width, o.width),
        k_(o.width, o.width),
        v_(o.width, o.width),
        out_(o.width, o.width),
        fc1_(o.width, o.mlp_width),
        fc2_(o.mlp_width, o.width) {
    register_module("self_attn.q_proj", q_);
    register_module("self_attn.k_proj", k_);
    register_module("self_attn.v_proj", v_);
    register_module("self_attn.out_proj", out_);
    register_module("layer_norm1", norm1_);
    register_module("mlp.fc1", fc1_);
    register_module("mlp.fc2", fc2_);
    register_module("layer_norm2", norm2_);
  }

  at::Tensor forward(const at::Tensor& x) const {
    if (narrow_ && NarrowBlock::fits(x))
      return narrow_->forward(x, norm1_, norm2_, heads_, activation_);
    const auto mixed = attend(norm1_.forward(x), q_, k_, v_, heads_);
    const auto attended = x + out_.forward(mixed).to(x.scalar_type());
    const auto hidden = activate(fc1_.forward(norm2_.forward(attended)), activation_);
    return attended + fc2_.forward(hidden).to(x.scalar_type());
  }

  void prepare_frozen() {
    narrow_.emplace(NarrowBlock::Parts{q_, k_, v_, out_, fc1_, fc2_, {}, {}});
  }

 private:
  std::int64_t heads_;
  Activation activation_;
  LayerNorm norm1_, norm2_;
  Linear q_, k_, v_, out_, fc1_, fc2_;
  std::optional<NarrowBlock> narrow_;
};

ClipEncoder::ClipEncoder(const ClipEncoderOptions& options) {
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_.push_back(std::make_unique<Layer>(options));
    register_module(str_cat("layers.", i), *layers_.back());
  }
}

ClipEncoder::~ClipEncoder() = default;

at::Tensor ClipEncoder::forward(at::Tensor x, std::int64_t count) const {
  for (std::int64_t i = 0; i < count; ++i) x = layers_[static_cast<std::size_t>(i)]->forward(x);
  return x;
}

void ClipEncoder::prepare_frozen() {
  for (const auto& layer : layers_) layer->prepare_frozen();
}

std::int64_t layers_to_run(std::int64_t select_layer, std::int64_t layers,
                           const std::string& tower) {
  const auto count = select_layer < 0 ? layers + 1 + select_layer : select_layer;
  if (count < 0 || count > layers) {
    throw ConfigError(str_cat(tower, ".select_layer: ", select_layer, ", but a tower of ", layers,
                              " layers has states ", -layers - 1, "…", layers));
  }
  return count;
}

void check_vit(const std::string& tower, std::int64_t width, std::int64_t heads,
               std::int64_t image_size, std::int64_t patch) {
  if (width % heads != 0) {
    throw ConfigError(str_cat(tower, ".heads: ", heads, " heads do not divide a width of ", width));
  }
  if (image_size < patch) {
    throw ConfigError(
        str_cat(tower, ".patch: ", patch, " pixels, but the image has only ", image_size));
  }
}

std::vector<TensorSource> clip_sources(const TensorFile& file, bool class_token) {
  const auto prefix = before(file, "embeddings.patch_embedding.weight");
  if (!prefix || file.contains(*prefix + "embeddings.class_embedding") != class_token) return {};
  auto sources =
      sources_below(file, *prefix, {"embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm."});
  std::erase_if(sources, [](const auto& s) { return s.target == "embeddings.position_ids"; });
  for (auto& source : sources) source.target = "vision_model." + source.target;
  return sources;
}

}  // namespace medseg
