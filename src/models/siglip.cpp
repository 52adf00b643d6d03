#include "medseg/models/siglip.h"

#include <cmath>

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

constexpr PublishedPreprocess kPreprocess = {
    .mode = VisionFit::kSquare, .mean = {0.5, 0.5, 0.5}, .deviation = {0.5, 0.5, 0.5}};

class Siglip : public VisionTower {
 public:
  explicit Siglip(const SiglipOptions& o)
      : options_(o),
        chosen_(layers_to_run(o.select_layer, o.layers, "siglip")),
        patches_(3, o.width, {.kernel = o.patch, .stride = o.patch}),
        post_norm_(o.width, o.norm_eps),
        encoder_({.width = o.width,
                  .layers = o.layers,
                  .heads = o.heads,
                  .mlp_width = o.mlp_width,
                  .norm_eps = o.norm_eps,
                  .activation = o.activation}) {
    check_vit("siglip", o.width, o.heads, o.image_size, o.patch);
    const double deviation = 1.0 / std::sqrt(static_cast<double>(o.width));  // as published
    register_module("vision_model.embeddings.patch_embedding", patches_);
    register_parameter("vision_model.embeddings.position_embedding.weight", positions_,
                       normal_parameter({grid() * grid(), o.width}, deviation));
    register_module("vision_model.encoder", encoder_);
    register_module("vision_model.post_layernorm", post_norm_);
  }

  at::Tensor tokens(const at::Tensor& pixels) const override {
    return post_norm_.forward(encoder_.forward(embedded(pixels), options_.layers));
  }

  at::Tensor features(const at::Tensor& pixels) const override {
    return encoder_.forward(embedded(pixels), chosen_);
  }

  void prepare_frozen() override { encoder_.prepare_frozen(); }
  std::int64_t width() const override { return options_.width; }
  std::int64_t grid() const override { return options_.image_size / options_.patch; }
  std::int64_t image_size() const override { return options_.image_size; }

 private:
  at::Tensor embedded(const at::Tensor& pixels) const {  // [B, N, D], hidden state 0
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(2) == options_.image_size &&
                    pixels.size(3) == options_.image_size,
                "Siglip: pixels [B, 3, ", options_.image_size, ", ", options_.image_size,
                "] are expected, got ", pixels.sizes());
    return patches_.forward(pixels).flatten(2).transpose(1, 2) + positions_;
  }

  SiglipOptions options_;
  std::int64_t chosen_;
  at::Tensor positions_;  // [N, D]
  Conv2d patches_;
  LayerNorm post_norm_;
  ClipEncoder encoder_;
};

std::vector<TensorSource> sources(const TensorFile& file) {
  return clip_sources(file, /*class_token=*/false);
}

SiglipOptions geometry(const PublishedTower& part) {
  return clip_geometry(part, SiglipOptions{}, /*class_tokens=*/0);
}

constexpr VisionTowerRow row() {
  auto row = vision_tower_row<SiglipOptions, make_siglip, sources, geometry>(
      "siglip", "siglip_vision_model", kPreprocess);
  row.in_every_config = true;
  return row;
}

}  // namespace

std::unique_ptr<VisionTower> make_siglip(const SiglipOptions& options) {
  return std::make_unique<Siglip>(options);
}

extern constinit const VisionTowerRow kSiglipRow = row();

}  // namespace medseg
