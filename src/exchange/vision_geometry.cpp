#include "vision_geometry.h"

#include <cmath>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kHeadWidth =
    64;  // of every published size but a few, whose config.json says so
const std::string kLayers = "vision_model.encoder.layers.";

std::int64_t heads_of(const NamedShapes& shapes, const TowerConfig& config, std::int64_t width) {
  const auto heads =
      config.integer("num_attention_heads", width % kHeadWidth == 0 ? width / kHeadWidth : 0);
  if (heads < 1) {
    shapes.refuse(str_cat("a width of ", width,
                          " does not tell the number of heads; a config.json with "
                          "num_attention_heads beside it would"));
  }
  if (width % heads != 0) {
    throw CheckpointError(str_cat(config.path.string(), ": num_attention_heads: ", heads,
                                  " heads do not divide a width of ", width));
  }
  return heads;
}

// 24 of 576 places. \throws CheckpointError if the places fill no square.
std::int64_t side_of(const NamedShapes& shapes, const std::string& name, std::int64_t places) {
  const auto side = std::llround(std::sqrt(static_cast<double>(places)));
  if (side < 1 || side * side != places)
    shapes.refuse(str_cat(name, ": ", places, " patches fill no square"));
  return side;
}

// The picture: config.json's where it has the same grid, else the smallest that has it.
std::int64_t image_of(const TowerConfig& config, std::int64_t grid, std::int64_t patch) {
  const auto stated = config.integer("image_size", grid * patch);
  if (stated / patch != grid) {
    throw CheckpointError(str_cat(config.path.string(), ": image_size: ", stated, " pixels are ",
                                  stated / patch,
                                  " patches a side, but the weights have positions for ", grid));
  }
  return stated;
}

/// What CLIP and SigLIP have in common.
template <class Options>
void measure(Options& options, const NamedShapes& shapes, const TowerConfig& config,
             std::int64_t class_tokens) {
  const std::string patches = "vision_model.embeddings.patch_embedding.weight";
  const std::string positions = "vision_model.embeddings.position_embedding.weight";
  const auto& patch = shapes.of(patches, 4);
  options.width = patch[0];
  options.patch = patch[2];
  options.layers = shapes.count(kLayers);
  if (options.layers == 0) shapes.refuse("no tensor " + kLayers + "0");
  options.mlp_width = shapes.of(kLayers + "0.mlp.fc1.weight", 2)[0];
  options.heads = heads_of(shapes, config, options.width);
  options.norm_eps = config.number("layer_norm_eps", options.norm_eps);
  options.activation = config.word("hidden_act", options.activation);
  const auto grid = side_of(shapes, positions, shapes.of(positions, 2)[0] - class_tokens);
  config.expect("hidden_size", options.width);
  config.expect("patch_size", options.patch);
  config.expect("num_hidden_layers", options.layers);
  config.expect("intermediate_size", options.mlp_width);
  options.image_size = image_of(config, grid, options.patch);
}

}  // namespace

void TowerConfig::expect(const char* key, std::int64_t found) const {
  const auto stated = integer(key, found);
  if (stated == found) return;
  throw CheckpointError(
      str_cat(path.string(), ": ", key, ": ", stated, ", but the weights say ", found));
}

std::int64_t TowerConfig::integer(const char* key, std::int64_t otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_number_integer())
    throw CheckpointError(path.string() + ": " + key + ": expected an integer, found " +
                          at->dump());
  return at->get<std::int64_t>();
}

double TowerConfig::number(const char* key, double otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_number())
    throw CheckpointError(path.string() + ": " + key + ": expected a number, found " + at->dump());
  return at->get<double>();
}

std::string TowerConfig::word(const char* key, const std::string& otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_string())
    throw CheckpointError(path.string() + ": " + key + ": expected a word, found " + at->dump());
  return at->get<std::string>();
}

ClipOptions clip_geometry(const NamedShapes& shapes, const TowerConfig& config) {
  ClipOptions options;
  measure(options, shapes, config, 1);
  return options;
}

SiglipOptions siglip_geometry(const NamedShapes& shapes, const TowerConfig& config) {
  SiglipOptions options;
  measure(options, shapes, config, 0);
  return options;
}

Dinov2Options dinov2_geometry(const NamedShapes& shapes, const TowerConfig& config,
                              std::int64_t image_size) {
  const std::string layers = "encoder.layer.";
  Dinov2Options options;
  const auto& patch = shapes.of("embeddings.patch_embeddings.projection.weight", 4);
  options.width = patch[0];
  options.patch = patch[2];
  options.layers = shapes.count(layers);
  if (options.layers == 0) shapes.refuse("no tensor " + layers + "0");
  if (shapes.has(layers + "0.mlp.weights_in.weight"))
    shapes.refuse("the gated MLP of DINOv2's giant is not known here");
  if (shapes.has("embeddings.register_tokens"))
    shapes.refuse("a DINOv2 with register tokens is not known here");
  const auto& fc1 = shapes.of(layers + "0.mlp.fc1.weight", 2);
  if (fc1[0] % options.width != 0)
    shapes.refuse(str_cat("an MLP of ", fc1[0], " is no multiple of the width ", options.width));
  options.mlp_ratio = fc1[0] / options.width;
  const std::string positions = "embeddings.position_embeddings";
  options.position_grid = side_of(shapes, positions, shapes.of(positions, 3)[1] - 1);
  options.heads = heads_of(shapes, config, options.width);
  options.norm_eps = config.number("layer_norm_eps", options.norm_eps);
  config.expect("hidden_size", options.width);
  config.expect("patch_size", options.patch);
  config.expect("num_hidden_layers", options.layers);
  if (const auto activation = config.word("hidden_act", "gelu"); activation != "gelu") {
    throw CheckpointError(config.path.string() + ": hidden_act: \"" + activation +
                          "\", but a DINOv2 tower has \"gelu\"");
  }
  options.image_size = image_size / options.patch * options.patch;
  if (options.image_size == 0)
    shapes.refuse(str_cat("a patch of ", options.patch, " pixels, but pictures of ", image_size));
  return options;
}

}  // namespace medseg
