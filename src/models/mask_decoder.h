/// \file
/// SAM's mask decoder (arXiv 2304.02643, appendix A), answering with one mask a prompt.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "medseg/models/grounding.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"
#include "two_way_transformer.h"

namespace medseg {

/// Linear layers with ReLU between them, none after the last. Keys: layers.i.{weight,bias}.
class MaskMlp : public Module {
 public:
  MaskMlp(std::int64_t in, std::int64_t hidden, std::int64_t out, std::int64_t depth);
  at::Tensor forward(at::Tensor x) const;  ///< [..., in] -> [..., out]

 private:
  std::vector<std::unique_ptr<Linear>> layers_;
};

/// Keys: transformer.*, iou_token.weight, mask_tokens.weight, output_upscaling.{0,1,3}.*,
/// output_hypernetworks_mlps.i.layers.{0,1,2}.*, iou_prediction_head.layers.{0,1,2}.*.
class MaskDecoder : public Module {
 public:
  explicit MaskDecoder(const GroundingOptions& options);

  /// One mask a row: `image` [K, L, C] cells with the dense prompt added, `positions` [L, C], both
  /// in the dtype to compute in; `prompts` [K, P, C] sparse tokens. Only mask token 0 is drawn;
  /// hypernetworks of the others and the IoU head get no gradient (src/README.md, choice 18).
  MaskOutput forward(const at::Tensor& image, const at::Tensor& positions,
                     const at::Tensor& prompts) const;

 private:
  TwoWayTransformer transformer_;
  at::Tensor iou_token_, mask_tokens_;  // [1, C], [M, C]
  Upsample2x2 upsample0_, upsample3_;
  LayerNorm2d upsample_norm_;
  std::vector<std::unique_ptr<MaskMlp>> hypernetworks_;
  MaskMlp iou_head_;
};

}  // namespace medseg
