/// \file
/// The encoder of the fixtures in tests/golden/sam.
#pragma once

#include "medseg/models/sam_vit.h"

namespace medseg {

/// A grid of 8 in windows of 3, so padded to 9; block 1 sees all of it.
inline SamVitOptions tiny_sam_vit() {
  return {.image_size = 32,
          .patch = 4,
          .position_grid = 8,
          .width = 12,
          .depth = 3,
          .heads = 3,
          .mlp_width = 24,
          .window = 3,
          .global_blocks = {1}};
}

}  // namespace medseg
