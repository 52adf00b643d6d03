/// \file
/// An image on its way into the two encoders (src/README.md, choices 10 and 13).
#pragma once

#include <ATen/core/Tensor.h>

#include "medseg/bundle/bundle.h"
#include "medseg/image/image.h"
#include "medseg/models/grounding.h"

namespace medseg {

/// [3, S, S] float32. Pillow bicubic on 8 bits, then x/255, mean, deviation. Grey is repeated
/// first.
at::Tensor vision_input(const Image& image, const VisionPreprocess& preprocess, std::int64_t size);

/// \throws DataError if vision_input would refuse the image: too long and thin to be made square.
void check_vision_shape(const Image& image, const VisionPreprocess& preprocess);

struct GroundingInput {
  at::Tensor pixels;  ///< [3, G, G] float32, zero-padded right and bottom
  ModelFrame frame;
};

/// sam: Pillow bilinear, longest side G, mean/std, pad. litemedsam: the same resize, min-max over
/// all channels to [0, 1], pad, no mean/std. medsam_square, medsam_square_float, medsam_pil: a
/// square, min-max.
GroundingInput grounding_input(const Image& image, GroundingPreprocess kind, std::int64_t size);

/// True masks as [K, H, W] float32 of 0 and 1.
at::Tensor mask_tensor(const std::vector<Mask>& masks, int width, int height);
/// logits > 0, [H, W] -> Mask.
Mask mask_from_logits(const at::Tensor& logits);

}  // namespace medseg
