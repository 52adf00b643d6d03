/// \file
/// SAM 2's mask decoder (arXiv 2408.00714, appendix D): SAM's with finer maps of the image beside
/// the upscaling, and a token that says whether the object is there at all.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mask_decoder.h"
#include "medseg/models/grounding_options.h"
#include "medseg/models/hiera.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/module.h"
#include "two_way_transformer.h"

namespace medseg {

/// The maps that the upscaling adds, of one image or of K.
struct FineMaps {
  at::Tensor stride4;  ///< [1 or K, C / 8, 4h, 4w]
  at::Tensor stride8;  ///< [1 or K, C / 4, 2h, 2w]
};

/// What every mask token drew; M of them, of which token 0 answers with one mask.
struct CandidateMasks {
  at::Tensor mask_logits;    ///< [K, M, 4h, 4w] float32
  at::Tensor predicted_iou;  ///< [K, M] float32, 0..1
  at::Tensor object_score;   ///< [K, 1] float32 logits; positive: the object is there
};

/// Source: facebookresearch/sam2 `modeling/sam/mask_decoder.py`, MaskDecoder.
/// Keys: those of MaskDecoder, obj_score_token.weight, pred_obj_score_head.layers.{0,1,2}.*,
/// conv_s0.*, conv_s1.*.
class Sam2MaskDecoder : public Module {
 public:
  explicit Sam2MaskDecoder(const GroundingOptions& options);

  /// Done once an image: its stride-4 and stride-8 levels [B, C, …] at the decoder's widths.
  FineMaps fine_maps(const ImagePyramid& pyramid) const;

  /// As MaskDecoder::forward: `image` [K, L, C] with the dense prompt added, `positions` [L, C],
  /// `prompts` [K, P, C]. Every token is drawn and everything has a gradient.
  CandidateMasks forward(const at::Tensor& image, const at::Tensor& positions, const FineMaps& fine,
                         const at::Tensor& prompts) const;

 private:
  TwoWayTransformer transformer_;
  at::Tensor object_token_, iou_token_, mask_tokens_;  // [1, C], [1, C], [M, C]
  Upsample2x2 upsample0_, upsample3_;
  LayerNorm2d upsample_norm_;
  std::vector<std::unique_ptr<MaskMlp>> hypernetworks_;
  MaskMlp iou_head_, object_head_;
  Conv2d stride4_, stride8_;
};

/// Of tokens 1 and above the mask with the highest predicted IoU. \pre M > 1.
MaskOutput best_of_several(const CandidateMasks& masks);
/// The stability rule: the mask of token 0 where it hardly depends on the threshold (the part above
/// 0.05 is at least 0.98 of that above -0.05; an empty mask is stable), else best_of_several.
MaskOutput stable_or_best(const CandidateMasks& masks);

}  // namespace medseg
