/// \file
/// SigLIP's vision tower (arXiv 2303.15343; transformers SiglipVisionModel), MedSigLIP's too.
#pragma once

#include <cstdint>
#include <memory>

#include "medseg/config/fields.h"
#include "medseg/models/activation.h"
#include "medseg/models/vision_tower.h"

namespace medseg {

/// The defaults are so400m/14 at 384 pixels.
struct SiglipOptions {
  std::int64_t image_size = 384;
  /// An image that is no multiple loses its last rows and columns, as in transformers.
  std::int64_t patch = 14;
  std::int64_t width = 1152;
  std::int64_t layers = 27;
  std::int64_t heads = 16;
  std::int64_t mlp_width = 4304;
  double norm_eps = 1e-6;
  Activation activation = Activation::kGeluTanh;
  /// Index into the layers + 1 hidden states before post_layernorm.
  std::int64_t select_layer = -2;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(1));
    visit("patch", self.patch, at_least(1));
    visit("width", self.width, at_least(1));
    visit("layers", self.layers, at_least(1));
    visit("heads", self.heads, at_least(1));
    visit("mlp_width", self.mlp_width, at_least(1));
    visit("norm_eps", self.norm_eps);
    visit("activation", self.activation);
    visit("select_layer", self.select_layer);
  }
};

/// No class token: features() is the whole chosen state. tokens(): last_hidden_state, after
/// post_layernorm.
///
/// Keys: as CLIP's without class_embedding and pre_layrnorm, with patch_embedding.bias. The pooling
/// head of published files (vision_model.head.*) is left out: its output is not a patch token.
/// \throws ConfigError naming the option.
std::unique_ptr<VisionTower> make_siglip(const SiglipOptions& options);

}  // namespace medseg
