#include "prompt_encoder.h"

#include <numbers>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"

namespace medseg {

PromptEncoder::PromptEncoder(std::int64_t width, std::int64_t image_size,
                             std::int64_t mask_channels)
    : image_size_(image_size),
      mask_conv0_(1, mask_channels / 4, {.kernel = 2, .stride = 2}),
      mask_conv3_(mask_channels / 4, mask_channels, {.kernel = 2, .stride = 2}),
      mask_conv6_(mask_channels, width, {}),
      mask_norm1_(mask_channels / 4),
      mask_norm4_(mask_channels) {
  TORCH_CHECK(width % 2 == 0, "PromptEncoder: an even width is expected, got ", width);
  // A buffer: drawn once, published with the weights, never trained.
  register_buffer("pe_layer.positional_encoding_gaussian_matrix", gaussian_,
                  normal_parameter({2, width / 2}, 1.0));
  for (std::size_t i = 0; i < 4; ++i) {
    register_parameter(str_cat("point_embeddings.", i, ".weight"), point_embeddings_[i],
                       normal_parameter({1, width}, 1.0));
  }
  register_parameter("not_a_point_embed.weight", not_a_point_, normal_parameter({1, width}, 1.0));
  register_module("mask_downscaling.0", mask_conv0_);
  register_module("mask_downscaling.1", mask_norm1_);
  register_module("mask_downscaling.3", mask_conv3_);
  register_module("mask_downscaling.4", mask_norm4_);
  register_module("mask_downscaling.6", mask_conv6_);
  register_parameter("no_mask_embed.weight", no_mask_, normal_parameter({1, width}, 1.0));
}

at::Tensor PromptEncoder::encode(const at::Tensor& coordinates) const {
  // fp32 whatever the precision around it: 2π times a coordinate loses whole periods in bf16.
  const AutocastScope fp32(gaussian_.device().type(), at::kFloat);
  const auto centred = coordinates.to(gaussian_.device(), at::kFloat) * 2 - 1;
  const auto angles = at::matmul(centred, gaussian_.to(at::kFloat)) * (2 * std::numbers::pi);
  return at::cat({angles.sin(), angles.cos()}, -1);
}

at::Tensor PromptEncoder::grid_positions(at::ScalarType dtype, std::int64_t grid) const {
  const std::lock_guard lock(mutex_);
  auto& known = positions_[grid];
  if (!known.fp32.defined() || known.matrix != gaussian_.const_data_ptr() ||
      known.version != gaussian_._version()) {
    const c10::InferenceMode normal_tensors(false);  // they outlive the pass that made them
    const at::NoGradGuard no_grad;
    const auto line = (at::arange(grid, gaussian_.options()) + 0.5) / grid;
    const auto y = line.view({-1, 1}).expand({grid, grid});
    const auto x = line.view({1, -1}).expand({grid, grid});
    const auto cells = encode(at::stack({x, y}, -1)).view({grid * grid, -1});
    known = {
        gaussian_.const_data_ptr(), static_cast<std::uint32_t>(gaussian_._version()), cells, {}};
  }
  if (dtype == at::kFloat) return known.fp32;
  if (!known.narrow.defined() || known.narrow.scalar_type() != dtype) {
    const c10::InferenceMode normal_tensors(false);
    const at::NoGradGuard no_grad;
    known.narrow = known.fp32.to(dtype);
  }
  return known.narrow;
}

at::Tensor PromptEncoder::embed_boxes(const at::Tensor& boxes) const {
  const auto corners =
      (boxes.to(at::kFloat).view({-1, 2, 2}) + 0.5) / image_size_;  // to the pixel's centre
  return encode(corners) +
         at::stack({point_embeddings_[2], point_embeddings_[3]}, 1);  // [K, 2, C] + [1, 2, C]
}

at::Tensor PromptEncoder::embed_points(const at::Tensor& points, const at::Tensor& labels,
                                       bool pad) const {
  auto where = points.to(gaussian_.device(), at::kFloat) + 0.5;
  auto what = labels.to(gaussian_.device(), at::kLong);
  if (pad) {
    where = at::cat({where, at::zeros({where.size(0), 1, 2}, where.options())}, 1);
    what = at::cat({what, at::full({what.size(0), 1}, -1, what.options())}, 1);
  }
  const auto kind = what.unsqueeze(-1);  // [K, P, 1]
  const auto position = at::where(kind == -1, 0.0, encode(where / image_size_));
  const auto table =
      at::cat({not_a_point_, point_embeddings_[0], point_embeddings_[1]});  // label + 1
  return position + table.index_select(0, (what + 1).flatten()).view(position.sizes());
}

at::Tensor PromptEncoder::embed_masks(const at::Tensor& masks) const {
  auto x = at::gelu(mask_norm1_.forward(mask_conv0_.forward(masks.to(gaussian_.device()))));
  x = at::gelu(mask_norm4_.forward(mask_conv3_.forward(x)));
  return mask_conv6_.forward(x);
}

at::Tensor PromptEncoder::no_mask() const { return no_mask_.unsqueeze(0); }

}  // namespace medseg
