#include <ATen/ATen.h>

#include "medseg/models/grounding.h"

namespace medseg {
namespace {

at::Tensor resize(const at::Tensor& x, std::int64_t height, std::int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  return at::upsample_bilinear2d(x, at::IntArrayRef{height, width}, /*align_corners=*/false);
}

}  // namespace

at::Tensor upscale_masks(const at::Tensor& mask_logits, const ModelFrame& frame) {
  TORCH_CHECK(frame.size > 0 && frame.image_height > 0 && frame.image_width > 0 &&
                  frame.resized_height > 0 && frame.resized_width > 0 &&
                  frame.resized_height <= frame.size && frame.resized_width <= frame.size,
              "upscale_masks: an image of ", frame.resized_height, "x", frame.resized_width,
              " in a frame of ", frame.size, " for ", frame.image_height, "x", frame.image_width);
  const auto masks = mask_logits.size(0);
  if (masks == 0) {
    return at::zeros({0, frame.image_height, frame.image_width},
                     mask_logits.options().dtype(at::kFloat));
  }
  const auto in_frame = resize(mask_logits.to(at::kFloat), frame.size, frame.size);
  const auto in_picture =
      in_frame.narrow(2, 0, frame.resized_height).narrow(3, 0, frame.resized_width);
  return resize(in_picture, frame.image_height, frame.image_width).squeeze(1);
}

}  // namespace medseg
