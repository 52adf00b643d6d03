#include "sam2_mask_decoder.h"

#include <cmath>

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/map_ops.h"

namespace medseg {
namespace {

constexpr std::int64_t kMlpDepth = 3;
constexpr double kStabilityDelta = 0.05, kStabilityThreshold = 0.98;

/// Each cell's own pixels beside it: [n, c, 2h, 2w] -> [n, h·w, 2, 2, c].
at::Tensor by_cell_of_four(const at::Tensor& map, std::int64_t grid) {
  const auto count = map.size(0), width = map.size(1);
  return map.reshape({count, width, grid, 2, grid, 2})
      .permute({0, 2, 4, 3, 5, 1})
      .reshape({count, grid * grid, 2, 2, width});
}

/// The same of sixteen, in the order of two upscalings: [n, c, 4h, 4w] -> [n, h·w, 2, 2, 2, 2, c].
at::Tensor by_cell_of_sixteen(const at::Tensor& map, std::int64_t grid) {
  const auto count = map.size(0), width = map.size(1);
  return map.reshape({count, width, grid, 2, 2, grid, 2, 2})
      .permute({0, 2, 5, 3, 6, 4, 7, 1})
      .reshape({count, grid * grid, 2, 2, 2, 2, width});
}

}  // namespace

Sam2MaskDecoder::Sam2MaskDecoder(const GroundingOptions& options)
    : transformer_(options.width, options.decoder_depth, options.decoder_heads,
                   options.decoder_mlp),
      upsample0_(options.width, options.width / 4),
      upsample3_(options.width / 4, options.width / 8),
      upsample_norm_(options.width / 4),
      iou_head_(options.width, options.width, options.num_masks, kMlpDepth),
      object_head_(options.width, options.width, 1, kMlpDepth),
      stride4_(options.width, options.width / 8, {}),
      stride8_(options.width, options.width / 4, {}) {
  const auto width = options.width;
  register_module("transformer", transformer_);
  register_parameter("obj_score_token.weight", object_token_, normal_parameter({1, width}, 1.0));
  register_parameter("iou_token.weight", iou_token_, normal_parameter({1, width}, 1.0));
  register_parameter("mask_tokens.weight", mask_tokens_,
                     normal_parameter({options.num_masks, width}, 1.0));
  register_module("output_upscaling.0", upsample0_);
  register_module("output_upscaling.1", upsample_norm_);
  register_module("output_upscaling.3", upsample3_);
  register_module("conv_s0", stride4_);
  register_module("conv_s1", stride8_);
  for (std::int64_t i = 0; i < options.num_masks; ++i) {
    hypernetworks_.push_back(std::make_unique<MaskMlp>(width, width, width / 8, kMlpDepth));
    register_module(str_cat("output_hypernetworks_mlps.", i), *hypernetworks_.back());
  }
  register_module("iou_prediction_head", iou_head_);
  register_module("pred_obj_score_head", object_head_);
}

FineMaps Sam2MaskDecoder::fine_maps(const ImagePyramid& pyramid) const {
  return {stride4_.forward(pyramid.stride4), stride8_.forward(pyramid.stride8)};
}

CandidateMasks Sam2MaskDecoder::forward(const at::Tensor& image, const at::Tensor& positions,
                                        const FineMaps& fine, const at::Tensor& prompts) const {
  const auto masks = prompts.size(0), cells = image.size(1), drawn = mask_tokens_.size(0);
  const auto grid = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(cells))));
  const auto own = at::cat({object_token_, iou_token_, mask_tokens_})
                       .unsqueeze(0)
                       .expand({masks, -1, -1});  // [K, 2+M, C]
  const auto [tokens, painted] = transformer_.forward(at::cat({own, prompts}, 1), image, positions);

  // As in MaskDecoder a cell's 4×4 pixels stay together until the masks are put in order.
  const auto dtype = painted.scalar_type();
  const auto half =
      norm_gelu(upsample0_.product(painted) + by_cell_of_four(fine.stride8, grid).to(dtype),
                upsample0_.bias, upsample_norm_.weight, upsample_norm_.bias,
                upsample_norm_.eps());  // [K, L, 2, 2, C/4]
  const auto full = (upsample3_.product(half) + by_cell_of_sixteen(fine.stride4, grid).to(dtype))
                        .view({masks, cells * 16, -1});  // [K, 16·L, C/8]
  std::vector<at::Tensor> drawings;
  for (std::int64_t i = 0; i < drawn; ++i) {
    const auto& network = *hypernetworks_[static_cast<std::size_t>(i)];
    const auto brush = network.forward(tokens.select(1, 2 + i));  // [K, C/8]
    drawings.push_back(gelu_dot(full, upsample3_.bias, brush.to(at::kFloat)));
  }
  const auto logits = at::stack(drawings, 1);  // [K, M, 16·L]
  return {.mask_logits = logits
                             .view({masks, drawn, grid, grid, 2, 2, 2, 2})  // y x, a b, c d
                             .permute({0, 1, 2, 4, 6, 3, 5, 7})             // y a c, x b d
                             .reshape({masks, drawn, 4 * grid, 4 * grid}),
          .predicted_iou = at::sigmoid(iou_head_.forward(tokens.select(1, 1)).to(at::kFloat)),
          .object_score = object_head_.forward(tokens.select(1, 0)).to(at::kFloat)};
}

MaskOutput best_of_several(const CandidateMasks& masks) {
  const auto& logits = masks.mask_logits;
  const auto count = logits.size(0);
  const auto ious = masks.predicted_iou.slice(1, 1);   // [K, M-1]
  const auto best = ious.argmax(1, /*keepdim=*/true);  // [K, 1]
  const auto rows = at::arange(count, best.options()), of = best.select(1, 0) + 1;
  return {logits.index({rows, of}).unsqueeze(1), ious.gather(1, best)};
}

MaskOutput stable_or_best(const CandidateMasks& masks) {
  const auto single = masks.mask_logits.slice(1, 0, 1);  // [K, 1, 4h, 4w]
  const auto area = [&](double above) { return single.gt(above).flatten(1).sum(1, true); };
  const auto surely = area(kStabilityDelta).to(at::kFloat);  // [K, 1]
  const auto perhaps = area(-kStabilityDelta).to(at::kFloat);
  const auto stable = at::logical_or(perhaps.eq(0), (surely / perhaps).ge(kStabilityThreshold));
  const auto best = best_of_several(masks);
  return {at::where(stable.unsqueeze(-1).unsqueeze(-1), single, best.mask_logits),
          at::where(stable, masks.predicted_iou.slice(1, 0, 1), best.predicted_iou)};
}

}  // namespace medseg
