/// \file
/// The one tiny model of all suites; a suite that needs another size says which and why.
#pragma once

#include <cstdint>

#include "medseg/models/dinov2.h"
#include "medseg/models/segmenter.h"
#include "medseg/models/tiny_vit.h"

namespace medseg {

/// LLaMA of width 32, 4×4 patches of width 6 merged to 4 tokens, a grounding part of
/// width 8.
inline SegmenterOptions tiny_segmenter(std::int64_t vocabulary = 61,
                                       std::int64_t max_positions = 64) {
  SegmenterOptions options;
  options.language = {.vocabulary = vocabulary,
                      .width = 32,
                      .layers = 2,
                      .heads = 4,
                      .kv_heads = 2,
                      .mlp_width = 48,
                      .norm_eps = 1e-5,
                      .rope_theta = 1e5,
                      .tied_head = false,
                      .max_positions = max_positions};
  options.vision.tower.set(Dinov2Options{
      .image_size = 28, .position_grid = 4, .patch = 7, .width = 6, .layers = 1, .heads = 1});
  options.projector = {.type = ProjectorType::kMlp2xGelu, .merge = 2};
  options.grounding.encoder.set(TinyVitOptions{.image_size = 64,
                                               .widths = {8, 8, 8, 8},
                                               .depths = {1, 1, 1, 1},
                                               .heads = {1, 1, 1, 1},
                                               .windows = {2, 2, 2, 2}});
  options.grounding.width = 8;
  options.grounding.decoder_depth = 1;
  options.grounding.decoder_heads = 1;
  options.grounding.decoder_mlp = 8;
  options.grounding.mask_channels = 4;
  return options;
}

}  // namespace medseg
