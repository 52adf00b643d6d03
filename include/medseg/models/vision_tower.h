/// \file
/// What every global visual encoder offers: patch features of an image.
#pragma once

#include <cstdint>

#include "medseg/nn/module.h"

namespace medseg {

class VisionTower : public Module {
 public:
  /// `pixels` [B, 3, S, S] normalised, model frame. The tower's last_hidden_state as transformers
  /// defines it (after the final norm, but for CLIP), class token first where the tower has one:
  /// [B, 1+N, Dv] or [B, N, Dv].
  virtual at::Tensor tokens(const at::Tensor& pixels) const = 0;
  /// Patch tokens that the language model sees, class token dropped: [B, N, Dv], row by row.
  virtual at::Tensor features(const at::Tensor& pixels) const = 0;
  virtual std::int64_t width() const = 0;       ///< Dv
  virtual std::int64_t grid() const = 0;        ///< side of the patch grid, N = grid²
  virtual std::int64_t image_size() const = 0;  ///< S
  /// Makes copies of the weights for passes in bf16; the parameters stay what they are. Called once
  /// after loading when the tower is frozen. May do nothing.
  virtual void prepare_frozen() {}
};

}  // namespace medseg
