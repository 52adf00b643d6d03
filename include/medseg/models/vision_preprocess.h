/// \file
/// How an image becomes the vision tower's input (src/README.md, choice 10).
#pragma once

#include <vector>

#include "medseg/config/fields.h"

namespace medseg {

/// How an image that is not square fills a square input.
enum class VisionFit {
  kPad,     ///< padded to a square with the mean (LLaVA-Med)
  kCrop,    ///< short edge resized, centre cropped (LISA, GLaMM)
  kSquare,  ///< stretched (SigLIP)
};
template <>
struct Choice<VisionFit> {
  static constexpr ChoiceNames<VisionFit, 3> names = {
      {{VisionFit::kPad, "pad"}, {VisionFit::kCrop, "crop"}, {VisionFit::kSquare, "square"}}};
};

struct VisionPreprocess {
  VisionFit mode = VisionFit::kPad;
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> deviation = {0.229, 0.224, 0.225};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("mode", self.mode);
    visit("mean", self.mean);
    visit("deviation", self.deviation);
  }
};

}  // namespace medseg
