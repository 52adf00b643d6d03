/// \file
/// Activations of the vision transformers, under transformers' names.
#pragma once

#include "medseg/base/choice.h"

namespace medseg {

enum class Activation {
  kGelu,      ///< by erf
  kGeluTanh,  ///< by its tanh approximation
  kQuickGelu  ///< x · sigmoid(1.702 x), of OpenAI's CLIP
};
template <>
struct Choice<Activation> {
  static constexpr ChoiceNames<Activation, 3> names = {
      {{Activation::kGelu, "gelu"},
       {Activation::kGeluTanh, "gelu_pytorch_tanh"},
       {Activation::kQuickGelu, "quick_gelu"}}};
};

}  // namespace medseg
