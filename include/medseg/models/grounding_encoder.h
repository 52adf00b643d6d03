/// \file
/// What the image encoder of every grounding model offers: an image to a grid of features.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "medseg/nn/module.h"

namespace medseg {

class GroundingEncoder : public Module {
 public:
  virtual at::Tensor forward(const at::Tensor& pixels) const = 0;  ///< [B, 3, G, G] -> [B, C, h, w]
  virtual std::int64_t image_size() const = 0;                     ///< G
  virtual std::int64_t grid() const = 0;                           ///< h = w
  /// Folds batch norms into convolutions and picks memory layouts for inference; the tensors of
  /// named_parameters() stay what they are. Called once after loading when the encoder is frozen.
  /// May do nothing.
  virtual void prepare_frozen() {}
};

}  // namespace medseg
