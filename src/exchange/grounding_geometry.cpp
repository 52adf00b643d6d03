#include "grounding_geometry.h"

#include <algorithm>

#include <ATen/core/Tensor.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {

GroundingOptions grounding_geometry(const TensorFile& file,
                                    const std::vector<TensorSource>& sources) {
  const NamedShapes shapes(file, sources);
  GroundingOptions options;
  const auto& encoders = GroundingEncoderRow::table();
  const auto encoder = std::find_if(encoders.begin(), encoders.end(),
                                    [&](const auto* row) { return row->is_in(shapes); });
  if (encoder == encoders.end()) {
    shapes.refuse(
        "no image encoder of SAM (image_encoder.patch_embed.… or vision_encoder.patch_embed.…)");
  }
  options.encoder.choose(**encoder, (*encoder)->geometry(shapes));
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
  const auto model = raised_as<CheckpointError>(file.path().string(), [&] {
    const ShapesOnly nothing_allocated;
    return std::make_unique<Grounding>(options);
  });
  shapes.expect_all_of(*model);
  return options;
}

}  // namespace medseg
