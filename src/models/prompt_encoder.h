/// \file
/// SAM's prompt encoder: points, boxes and masks become tokens and a map (arXiv 2304.02643,
/// appendix A).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "medseg/nn/conv.h"
#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/module.h"

namespace medseg {

/// Keys: pe_layer.positional_encoding_gaussian_matrix, point_embeddings.{0..3}.weight,
/// not_a_point_embed.weight, mask_downscaling.{0,1,3,4,6}.{weight,bias}, no_mask_embed.weight.
class PromptEncoder : public Module {
 public:
  PromptEncoder(std::int64_t width, std::int64_t image_size, std::int64_t mask_channels);

  /// Positions of a grid's cells, row by row: [grid², C]. Computed in fp32, kept until the matrix
  /// changes.
  at::Tensor grid_positions(at::ScalarType dtype, std::int64_t grid) const;

  /// `boxes` [K, 4] x0 y0 x1 y1 in model pixels -> [K, 2, C].
  at::Tensor embed_boxes(const at::Tensor& boxes) const;
  /// `points` [K, P, 2] x y in model pixels, `labels` [K, P]: 1 inside, 0 outside, -1 no point. A
  /// padding point follows unless a box does (as SAM) -> [K, P (+ 1), C].
  at::Tensor embed_points(const at::Tensor& points, const at::Tensor& labels,
                          bool pad = true) const;
  /// `masks` [K, 1, 4·grid, 4·grid] logits -> dense map [K, C, grid, grid].
  at::Tensor embed_masks(const at::Tensor& masks) const;
  /// Dense part of a prompt without a mask: [1, 1, C], the same for every cell.
  at::Tensor no_mask() const;

 private:
  at::Tensor encode(const at::Tensor& coordinates) const;  ///< [..., 2] x y in [0, 1] -> [..., C]

  std::int64_t image_size_;
  at::Tensor gaussian_;               // [2, C / 2]
  at::Tensor point_embeddings_[4];    // [1, C]: outside, inside, box's first and second corner
  at::Tensor not_a_point_, no_mask_;  // [1, C]
  Conv2d mask_conv0_, mask_conv3_, mask_conv6_;
  LayerNorm2d mask_norm1_, mask_norm4_;

  struct Positions {
    const void* matrix = nullptr;
    std::uint32_t version = 0;
    at::Tensor fp32, narrow;
  };
  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, Positions> positions_;  ///< by grid
};

}  // namespace medseg
