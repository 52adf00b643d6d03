/// \file
/// DINOv2 vision tower (arXiv 2304.07193; transformers Dinov2Model), the global visual encoder of
/// the demo.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/vision_tower.h"

namespace medseg {

struct Dinov2Options {
  /// S of the input; the position grid is resampled to S / patch.
  std::int64_t image_size = 224;
  std::int64_t position_grid = 37;  ///< side of the stored position grid
  std::int64_t patch = 14;
  std::int64_t width = 384;
  std::int64_t layers = 12;
  std::int64_t heads = 6;
  std::int64_t mlp_ratio = 4;
  double norm_eps = 1e-6;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(1));
    visit("position_grid", self.position_grid, at_least(1));
    visit("patch", self.patch, at_least(1));
    visit("width", self.width, at_least(1));
    visit("layers", self.layers, at_least(1));
    visit("heads", self.heads, at_least(1));
    visit("mlp_ratio", self.mlp_ratio, at_least(1));
    visit("norm_eps", self.norm_eps);
  }
};

/// Keys as Dinov2Model: embeddings.{cls_token,position_embeddings,patch_embeddings.projection.*},
/// encoder.layer.i.{norm1,attention.attention.{query,key,value},attention.output.dense,
/// layer_scale1.lambda1,norm2,mlp.fc1,mlp.fc2,layer_scale2.lambda1}, layernorm.
std::unique_ptr<VisionTower> make_dinov2(const Dinov2Options& options);

}  // namespace medseg
