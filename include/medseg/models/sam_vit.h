/// \file
/// SAM's image encoder: a plain ViT with windowed and global attention (arXiv 2304.02643,
/// appendix A; 2203.16527).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/grounding_encoder.h"

namespace medseg {

/// The defaults are ViT-B; L is 1024, 24, 16, {5, 11, 17, 23} and H 1280, 32, 16, {7, 15, 23, 31}.
struct SamVitOptions {
  std::int64_t image_size = 1024;
  std::int64_t patch = 16;
  /// Side of the grid that the stored positions are for; another grid resamples them.
  std::int64_t position_grid = 64;
  std::int64_t width = 768;
  std::int64_t depth = 12;
  std::int64_t heads = 12;
  std::int64_t mlp_width = 3072;
  /// Side of the other blocks' windows, in cells; a grid that is no multiple is padded.
  std::int64_t window = 14;
  std::vector<std::int64_t> global_blocks = {2, 5, 8, 11};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(1));
    visit("patch", self.patch, at_least(1));
    visit("position_grid", self.position_grid, at_least(1));
    visit("width", self.width, at_least(1));
    visit("depth", self.depth, at_least(1));
    visit("heads", self.heads, at_least(1));
    visit("mlp_width", self.mlp_width, at_least(1));
    visit("window", self.window, at_least(1));
    visit("global_blocks", self.global_blocks);
  }
};

/// Keys as segment_anything's ImageEncoderViT: pos_embed [1, g, g, D], patch_embed.proj.*,
/// blocks.i.{norm1, attn.{qkv, proj}.*, attn.rel_pos_{h,w} [2·side - 1, D / heads], norm2,
/// mlp.{lin1, lin2}}, neck.{0,1,2,3}.*.
/// On a grid other than `position_grid`, pos_embed is resampled bilinearly and the global blocks'
/// rel_pos linearly (as get_rel_pos does). \throws ConfigError on sizes that do not fit each other.
std::unique_ptr<GroundingEncoder> make_sam_vit(const SamVitOptions& options,
                                               std::int64_t out_width);

}  // namespace medseg
