/// \file
/// The layers that CLIP's and SigLIP's towers have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"
#include "medseg/nn/norm.h"
#include "published_tower.h"
#include "vit_block.h"

namespace medseg {

struct ClipEncoderOptions {
  std::int64_t width, layers, heads, mlp_width;
  double norm_eps;
  Activation activation;
};

/// Keys: layers.i.{self_attn.{q,k,v,out}_proj,layer_norm1,layer_norm2,mlp.{fc1,fc2}}.
class ClipEncoder : public Module {
 public:
  explicit ClipEncoder(const ClipEncoderOptions& options);
  ~ClipEncoder() override;

  /// Hidden state `count`: `x` [B, T, D] through the first `count` layers.
  at::Tensor forward(at::Tensor x, std::int64_t count) const;
  void prepare_frozen();

 private:
  class Layer;
  std::vector<std::unique_ptr<Layer>> layers_;
};

/// How many layers give hidden state `select_layer` of `layers` + 1, negative from the end.
/// \throws ConfigError "`tower`.select_layer: …".
std::int64_t layers_to_run(std::int64_t select_layer, std::int64_t layers,
                           const std::string& tower);

/// \throws ConfigError "`tower`.heads: …" unless `heads` divides `width`, "`tower`.patch: …" unless
/// one patch fits.
void check_vit(const std::string& tower, std::int64_t width, std::int64_t heads,
               std::int64_t image_size, std::int64_t patch);

/// Where the tensors of a tower of this family stand in a published file, whatever stands before
/// their names and beside them (the text tower, projections, LLaVA's language model). Empty unless
/// the file holds one with (CLIP) or without (SigLIP) a class token. Left out: `position_ids` (a
/// constant) and SigLIP's pooling head.
std::vector<TensorSource> clip_sources(const TensorFile& file, bool class_token);

/// `options` with the sizes of a published tower. \throws CheckpointError.
template <class Options>
Options clip_geometry(const PublishedTower& part, Options options, std::int64_t class_tokens) {
  const auto& [shapes, config, crop_size] = part;
  const std::string layers = "vision_model.encoder.layers.";
  const std::string positions = "vision_model.embeddings.position_embedding.weight";
  const auto& patch = shapes.of("vision_model.embeddings.patch_embedding.weight", 4);
  options.width = patch[0];
  options.patch = patch[2];
  options.layers = shapes.count(layers);
  if (options.layers == 0) shapes.refuse("no tensor " + layers + "0");
  options.mlp_width = shapes.of(layers + "0.mlp.fc1.weight", 2)[0];
  options.heads = heads_of(part, options.width);
  options.norm_eps = config.number("layer_norm_eps", options.norm_eps);
  options.activation = config.choice("hidden_act", options.activation);
  const auto grid = side_of(shapes, positions, shapes.of(positions, 2)[0] - class_tokens);
  config.expect("hidden_size", options.width);
  config.expect("patch_size", options.patch);
  config.expect("num_hidden_layers", options.layers);
  config.expect("intermediate_size", options.mlp_width);
  options.image_size = image_size_of(config, grid, options.patch);
  return options;
}

}  // namespace medseg
