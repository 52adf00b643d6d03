/// \file
/// Augmentation that keeps labels true: small affine moves, grey values, noise; flips only where no side is told.
///
/// What happens to a record follows from a random stream of its own, so that neither the number of loader threads nor a
/// resume has a part in it. All numbers are drawn whichever options are on: turning one on leaves the others' numbers alone.
#pragma once

#include <vector>

#include "medseg/base/random.h"
#include "medseg/config/fields.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/image.h"

namespace medseg {

struct AugmentOptions {
  double share = 1.0;
  double flip = 0.0, rotate = 0.0, scale = 0.0, shift = 0.0;
  double brightness = 0.0, contrast = 0.0, gamma = 0.0, noise = 0.0;

  bool is_on() const {
    return share > 0 && (flip > 0 || rotate > 0 || scale > 0 || shift > 0 || brightness > 0 ||
                         contrast > 0 || gamma > 0 || noise > 0);
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("share", self.share, in_range(0, 1),
          "of the visits that are augmented; the others can use cached features");
    visit("flip", self.flip, in_range(0, 1),
          "probability of a left-right flip; never where question, answer or label tell a side or "
          "name an organ that has one");
    visit("rotate", self.rotate, in_range(0, 45), "largest turn either way, degrees");
    visit("scale", self.scale, in_range(0, 0.5), "largest change of size: 0.1 is x 0.91 to x 1.1");
    visit("shift", self.shift, in_range(0, 0.5),
          "largest move each way, share of the picture's width and height");
    visit("brightness", self.brightness, in_range(0, 0.5),
          "largest change, share of the full range");
    visit("contrast", self.contrast, in_range(0, 0.9), "0.2 is x 0.8 to x 1.2 about the mean");
    visit("gamma", self.gamma, in_range(0, 1), "0.5 is an exponent of 1 / 1.5 to 1.5");
    visit("noise", self.noise, in_range(0, 0.5),
          "largest deviation of Gaussian noise, share of the full range");
  }
};

/// Changes picture and masks (all of the picture's size) together; false: this visit leaves them as they are. A geometry that would
/// push a mask out of the picture altogether is dropped, grey values change all the same. Turns are true in millimetres
/// where the record has its spacing.
bool augment(const AugmentOptions& options, const Record& record, RandomStream random, Image& image,
             std::vector<Mask>& masks);

}  // namespace medseg
