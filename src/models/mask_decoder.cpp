#include "mask_decoder.h"

#include <cmath>

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/map_ops.h"

namespace medseg {
namespace {

constexpr std::int64_t kMlpDepth = 3;

}  // namespace

MaskMlp::MaskMlp(std::int64_t in, std::int64_t hidden, std::int64_t out, std::int64_t depth) {
  for (std::int64_t i = 0; i < depth; ++i) {
    layers_.push_back(
        std::make_unique<Linear>(i == 0 ? in : hidden, i + 1 == depth ? out : hidden));
    register_module(str_cat("layers.", i), *layers_.back());
  }
}

at::Tensor MaskMlp::forward(at::Tensor x) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i]->forward(x);
    if (i + 1 < layers_.size()) x = at::relu(x);
  }
  return x;
}

MaskDecoder::MaskDecoder(const GroundingOptions& options)
    : transformer_(options.width, options.decoder_depth, options.decoder_heads,
                   options.decoder_mlp),
      upsample0_(options.width, options.width / 4),
      upsample3_(options.width / 4, options.width / 8),
      upsample_norm_(options.width / 4),
      iou_head_(options.width, options.width, options.num_masks, kMlpDepth) {
  const auto width = options.width;
  register_module("transformer", transformer_);
  register_parameter("iou_token.weight", iou_token_, normal_parameter({1, width}, 1.0));
  register_parameter("mask_tokens.weight", mask_tokens_,
                     normal_parameter({options.num_masks, width}, 1.0));
  register_module("output_upscaling.0", upsample0_);
  register_module("output_upscaling.1", upsample_norm_);
  register_module("output_upscaling.3", upsample3_);
  for (std::int64_t i = 0; i < options.num_masks; ++i) {
    hypernetworks_.push_back(std::make_unique<MaskMlp>(width, width, width / 8, kMlpDepth));
    register_module(str_cat("output_hypernetworks_mlps.", i), *hypernetworks_.back());
  }
  register_module("iou_prediction_head", iou_head_);
}

MaskOutput MaskDecoder::forward(const at::Tensor& image, const at::Tensor& positions,
                                const at::Tensor& prompts) const {
  const auto masks = prompts.size(0), cells = image.size(1);
  const auto grid = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(cells))));
  const auto own =
      at::cat({iou_token_, mask_tokens_}).unsqueeze(0).expand({masks, -1, -1});  // [K, 1+M, C]
  const auto [tokens, painted] = transformer_.forward(at::cat({own, prompts}, 1), image, positions);

  // Both upscalings keep channels last: a cell's 4×4 pixels stay together until the mask itself is
  // put in order.
  const auto half = norm_gelu(upsample0_.product(painted), upsample0_.bias, upsample_norm_.weight,
                              upsample_norm_.bias,
                              upsample_norm_.eps());                         // [K, L, 2, 2, C/4]
  const auto full = upsample3_.product(half).view({masks, cells * 16, -1});  // [K, 16·L, C/8]
  const auto brush = hypernetworks_.front()->forward(tokens.select(1, 1));   // [K, C/8]
  const auto drawn = gelu_dot(full, upsample3_.bias, brush.to(at::kFloat));  // [K, 16·L]
  MaskOutput output;
  output.mask_logits =
      drawn
          .view({masks, grid, grid, 2, 2, 2, 2})  // rows y, a, c and columns x, b, d
          .permute({0, 1, 3, 5, 2, 4, 6})
          .reshape({masks, 1, 4 * grid, 4 * grid});
  const at::NoGradGuard no_grad;
  output.predicted_iou = iou_head_.forward(tokens.select(1, 0)).narrow(-1, 0, 1).to(at::kFloat);
  return output;
}

}  // namespace medseg
