/// \file
/// CLIP's vision tower (arXiv 2103.00020; transformers CLIPVisionModel), the global visual encoder
/// of LLaVA, LISA and GLaMM.
#pragma once

#include <cstdint>
#include <memory>

#include "medseg/config/fields.h"
#include "medseg/models/activation.h"
#include "medseg/models/vision_tower.h"

namespace medseg {

/// The defaults are ViT-L/14 at 336 pixels.
struct ClipOptions {
  std::int64_t image_size = 336;
  std::int64_t patch = 14;
  std::int64_t width = 1024;
  std::int64_t layers = 24;
  std::int64_t heads = 16;
  std::int64_t mlp_width = 4096;
  double norm_eps = 1e-5;
  Activation activation = Activation::kQuickGelu;
  /// Index into the layers + 1 hidden states, as LLaVA's mm_vision_select_layer.
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

/// features(): hidden state `select_layer` without the class token; the layers behind it are not
/// run and post_layernorm is not applied (src/README.md, choice 9). tokens(): last_hidden_state of
/// CLIPVisionModel, which no norm follows.
///
/// Keys: vision_model.{embeddings.{class_embedding,patch_embedding.weight,
/// position_embedding.weight},pre_layrnorm,post_layernorm,
/// encoder.layers.i.{self_attn.{q,k,v,out}_proj,layer_norm1,layer_norm2,mlp.{fc1,fc2}}}.
/// post_layernorm and the layers behind the chosen one are kept because an exported tower needs
/// them.
/// \throws ConfigError naming the option.
std::unique_ptr<VisionTower> make_clip(const ClipOptions& options);

}  // namespace medseg
