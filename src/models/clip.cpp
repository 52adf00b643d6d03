#include "medseg/models/clip.h"

#include <ATen/ATen.h>

#include "clip_encoder.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/vision_tower_row.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/initialise.h"
#include "published_tower.h"

namespace medseg {
namespace {

constexpr double kDeviation = 0.02;  // of untrained embeddings, as published
constexpr PublishedPreprocess kPreprocess = {.mode = VisionFit::kPad,
                                             .mean = {0.48145466, 0.4578275, 0.40821073},
                                             .deviation = {0.26862954, 0.26130258, 0.27577711}};

class Clip : public VisionTower {
 public:
  explicit Clip(const ClipOptions& o)
      : options_(o),
        chosen_(layers_to_run(o.select_layer, o.layers, "clip")),
        patches_(3, o.width, {.kernel = o.patch, .stride = o.patch, .bias = false}),
        pre_norm_(o.width, o.norm_eps),
        post_norm_(o.width, o.norm_eps),
        encoder_({.width = o.width,
                  .layers = o.layers,
                  .heads = o.heads,
                  .mlp_width = o.mlp_width,
                  .norm_eps = o.norm_eps,
                  .activation = o.activation}) {
    check_vit("clip", o.width, o.heads, o.image_size, o.patch);
    register_parameter("vision_model.embeddings.class_embedding", class_,
                       normal_parameter({o.width}, kDeviation));
    register_module("vision_model.embeddings.patch_embedding", patches_);
    register_parameter("vision_model.embeddings.position_embedding.weight", positions_,
                       normal_parameter({1 + grid() * grid(), o.width}, kDeviation));
    register_module("vision_model.pre_layrnorm", pre_norm_);  // spelled so in every published file
    register_module("vision_model.encoder", encoder_);
    register_module("vision_model.post_layernorm", post_norm_);
  }

  at::Tensor tokens(const at::Tensor& pixels) const override {
    return encoder_.forward(embedded(pixels), options_.layers);
  }

  at::Tensor features(const at::Tensor& pixels) const override {
    return encoder_.forward(embedded(pixels), chosen_).narrow(1, 1, grid() * grid());
  }

  void prepare_frozen() override { encoder_.prepare_frozen(); }
  std::int64_t width() const override { return options_.width; }
  std::int64_t grid() const override { return options_.image_size / options_.patch; }
  std::int64_t image_size() const override { return options_.image_size; }

 private:
  at::Tensor embedded(const at::Tensor& pixels) const {  // [B, 1+N, D], hidden state 0
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(2) == options_.image_size &&
                    pixels.size(3) == options_.image_size,
                "Clip: pixels [B, 3, ", options_.image_size, ", ", options_.image_size,
                "] are expected, got ", pixels.sizes());
    const auto patches = patches_.forward(pixels).flatten(2).transpose(1, 2);  // [B, N, D]
    const auto first = class_.to(patches.scalar_type()).expand({patches.size(0), 1, -1});
    return pre_norm_.forward(at::cat({first, patches}, 1) + positions_);
  }

  ClipOptions options_;
  std::int64_t chosen_;
  at::Tensor class_, positions_;  // [D], [1 + N, D]
  Conv2d patches_;
  LayerNorm pre_norm_, post_norm_;
  ClipEncoder encoder_;
};

std::vector<TensorSource> sources(const TensorFile& file) {
  return clip_sources(file, /*class_token=*/true);
}

ClipOptions geometry(const PublishedTower& part) {
  return clip_geometry(part, ClipOptions{}, /*class_tokens=*/1);
}

constexpr VisionTowerRow row() {
  auto row = vision_tower_row<ClipOptions, make_clip, sources, geometry>(
      "clip", "clip_vision_model", kPreprocess);
  row.in_every_config = true;
  return row;
}

}  // namespace

std::unique_ptr<VisionTower> make_clip(const ClipOptions& options) {
  return std::make_unique<Clip>(options);
}

extern constinit const VisionTowerRow kClipRow = row();

}  // namespace medseg
