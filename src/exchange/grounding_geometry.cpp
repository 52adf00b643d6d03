#include "grounding_geometry.h"

#include <cmath>

#include <ATen/core/Tensor.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {
namespace {

constexpr std::int64_t kPublishedGrid = 64;

/// Side of a grid whose relative positions have this many rows; 0 if there is none.
std::int64_t side_of(std::int64_t rows) { return rows % 2 == 1 ? (rows + 1) / 2 : 0; }

SamVitOptions sam_vit(const NamedShapes& shapes) {
  SamVitOptions options;
  const auto& patches = shapes.of("image_encoder.patch_embed.proj.weight", 4);
  const auto& positions = shapes.of("image_encoder.pos_embed", 4);
  options.width = positions[3];
  options.position_grid = positions[1];
  options.patch = patches[2];
  options.image_size = options.position_grid * options.patch;
  options.depth = shapes.count("image_encoder.blocks.");
  if (options.depth == 0) shapes.refuse("no tensor image_encoder.blocks.0.norm1.weight");
  options.mlp_width = shapes.of("image_encoder.blocks.0.mlp.lin1.weight", 2)[0];
  const auto head = shapes.of("image_encoder.blocks.0.attn.rel_pos_h", 2)[1];
  if (options.width % head != 0) {
    shapes.refuse(str_cat("image_encoder.blocks.0.attn.rel_pos_h: heads of ", head,
                          " columns do not divide a width of ", options.width));
  }
  options.heads = options.width / head;
  options.global_blocks.clear();
  std::int64_t window = 0;
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const auto name = str_cat("image_encoder.blocks.", i, ".attn.rel_pos_h");
    const auto rows = shapes.of(name, 2)[0];
    const auto side = side_of(rows);
    if (side == 0 || side > options.position_grid) {
      shapes.refuse(str_cat(name, ": ", rows, " rows belong to no window of a grid of ",
                            options.position_grid));
    }
    if (side == options.position_grid) {
      options.global_blocks.push_back(i);
    } else if (window == 0 || window == side) {
      window = side;
    } else {
      shapes.refuse(str_cat(name, ": a window of ", side, ", but earlier blocks have ", window));
    }
  }
  options.window = window == 0 ? options.position_grid : window;
  return options;
}

TinyVitOptions tiny_vit(const NamedShapes& shapes) {
  TinyVitOptions options;
  const std::string patch = "image_encoder.patch_embed.seq.0.c.weight";
  const auto kernel = shapes.of(patch, 4)[2];
  if (kernel != 1 && kernel != 3) {
    shapes.refuse(
        str_cat(patch, ": a kernel of ", kernel, "; known are 1 (LiteMedSAM) and 3 (MobileSAM)"));
  }
  options.patch_stride = kernel == 1 ? 1 : 2;
  options.image_size = kPublishedGrid * 4 * options.patch_stride * options.patch_stride;
  options.widths[0] = shapes.of("image_encoder.patch_embed.seq.2.c.weight", 4)[0];
  for (std::size_t stage = 0; stage < options.widths.size(); ++stage) {
    const auto at = str_cat("image_encoder.layers.", stage);
    options.depths[stage] = shapes.count(at + ".blocks.");
    if (options.depths[stage] == 0) shapes.refuse("no blocks " + at + ".blocks.…");
    if (stage > 0) {
      const auto biases = at + ".blocks.0.attn.attention_biases";
      const auto& shape = shapes.of(biases, 2);
      options.heads[stage] = shape[0];
      options.windows[stage] = std::llround(std::sqrt(static_cast<double>(shape[1])));
      if (options.windows[stage] * options.windows[stage] != shape[1])
        shapes.refuse(str_cat(biases, ": ", shape[1], " distances are no square window's"));
    }
    if (stage + 1 < options.widths.size())
      options.widths[stage + 1] = shapes.of(at + ".downsample.conv3.c.weight", 4)[0];
  }
  return options;
}

}  // namespace

GroundingOptions grounding_geometry(const TensorFile& file,
                                    const std::vector<TensorSource>& sources) {
  const NamedShapes shapes(file, sources);
  GroundingOptions options;
  if (shapes.has("image_encoder.patch_embed.seq.0.c.weight")) {
    options.encoder = "tiny_vit";
    options.tiny_vit = tiny_vit(shapes);
  } else if (shapes.has("image_encoder.patch_embed.proj.weight")) {
    options.encoder = "sam_vit";
    options.sam_vit = sam_vit(shapes);
  } else {
    shapes.refuse(
        "no image encoder of SAM (image_encoder.patch_embed.… or vision_encoder.patch_embed.…)");
  }
  options.width = shapes.of("prompt_encoder.no_mask_embed.weight", 2)[1];
  options.mask_channels = shapes.of("prompt_encoder.mask_downscaling.3.weight", 4)[0];
  options.decoder_depth = shapes.count("mask_decoder.transformer.layers.");
  if (options.decoder_depth == 0)
    shapes.refuse("no tensor mask_decoder.transformer.layers.0.norm1.weight");
  options.decoder_mlp = shapes.of("mask_decoder.transformer.layers.0.mlp.lin1.weight", 2)[0];
  options.num_masks = shapes.of("mask_decoder.mask_tokens.weight", 2)[0];
  const auto hypernetworks = shapes.count("mask_decoder.output_hypernetworks_mlps.");
  if (options.num_masks != hypernetworks) {
    shapes.refuse(str_cat("mask_decoder.mask_tokens.weight: ", options.num_masks, " tokens, but ",
                          hypernetworks, " output_hypernetworks_mlps"));
  }
  constexpr std::int64_t kUpscalings = 8;  // the mask's channels are an eighth of the width
  if (options.width % (2 * options.decoder_heads) != 0 || options.width % kUpscalings != 0 ||
      options.mask_channels % 4 != 0) {
    shapes.refuse(str_cat("a prompt width of ", options.width, " with ", options.mask_channels,
                          " mask channels is no SAM's"));
  }
  try {
    const ShapesOnly nothing_allocated;
    Grounding model(options);
    shapes.expect_all_of(model);
  } catch (const ConfigError& error) {
    shapes.refuse(error.what());
  }
  return options;
}

}  // namespace medseg
