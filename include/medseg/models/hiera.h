/// \file
/// Hiera (arXiv 2306.00989) with the pyramid neck of SAM 2 (arXiv 2408.00714): an image to maps of
/// three strides.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/nn/module.h"

namespace medseg {

/// The defaults are SAM 2.1 Tiny. Small has depths {1, 2, 11, 2} and global_blocks {7, 10, 13};
/// Base+ a width of 112, 2 heads, {2, 3, 16, 3}, {12, 16, 20} and a background_grid of 14; Large
/// 144, 2 heads, {2, 6, 36, 4}, windows {8, 4, 16, 8} and {23, 33, 43}. MedSAM2 is Tiny with an
/// image_size of 512.
struct HieraOptions {
  std::int64_t image_size = 1024;  ///< G
  std::int64_t width = 96;         ///< D, of the first stage; each further stage has twice as much
  std::int64_t heads = 1;          ///< of the first stage; each further stage has twice as many
  std::int64_t background_grid = 7;  ///< side of the positions that are stretched over the image
  std::vector<std::int64_t> depths = {1, 2, 7, 2};  ///< blocks of the four stages
  /// Sides of the stages' windows, in cells of the stage. The first block of a stage still has the
  /// window of the stage before, and its output half that side.
  std::vector<std::int64_t> windows = {8, 4, 14, 7};
  std::vector<std::int64_t> global_blocks = {5, 7, 9};  ///< attend over the whole map

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(32));
    visit("width", self.width, at_least(1));
    visit("heads", self.heads, at_least(1));
    visit("background_grid", self.background_grid, at_least(1));
    visit("depths", self.depths);
    visit("windows", self.windows);
    visit("global_blocks", self.global_blocks);
  }
};

/// The three finest levels of the pyramid. The coarsest level takes part in them and is no output.
struct ImagePyramid {
  at::Tensor stride4;   ///< [B, C, G / 4, G / 4]
  at::Tensor stride8;   ///< [B, C, G / 8, G / 8]
  at::Tensor stride16;  ///< [B, C, G / 16, G / 16]
};

/// Keys as the ImageEncoder of facebookresearch/sam2: trunk.{pos_embed [1, D, g, g],
/// pos_embed_window [1, D, w, w]}, trunk.patch_embed.proj.*, trunk.blocks.i.{norm1, attn.{qkv,
/// proj}, norm2, mlp.layers.{0, 1}}.*, trunk.blocks.i.proj.* where a stage begins, and
/// neck.convs.n.conv.*, of which n = 0 belongs to the coarsest stage.
class Hiera : public Module {
 public:
  virtual ImagePyramid forward(const at::Tensor& pixels) const = 0;  ///< `pixels` [B, 3, G, G]
};

/// `out_width` is C. \throws ConfigError on sizes that do not fit each other.
std::unique_ptr<Hiera> make_hiera(const HieraOptions& options, std::int64_t out_width);

}  // namespace medseg
