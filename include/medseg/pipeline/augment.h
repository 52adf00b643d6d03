/// \file
/// Augmentation that keeps labels true: small affine moves, grey values, noise; left-right flips
/// only where the record's words name no side.
///
/// What happens to a sample follows from a random stream of its own, so it depends neither on the
/// number of loader threads nor on a resume. All numbers are drawn whichever options are on:
/// turning one on leaves the numbers of the others alone.
#pragma once

#include "medseg/base/random.h"
#include "medseg/config/fields.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

struct Sample;

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
          "largest move each way, share of the image's width and height");
    visit("brightness", self.brightness, in_range(0, 0.5),
          "largest change, share of the full range");
    visit("contrast", self.contrast, in_range(0, 0.9), "0.2 is x 0.8 to x 1.2 about the mean");
    visit("gamma", self.gamma, in_range(0, 1), "0.5 is an exponent of 1 / 1.5 to 1.5");
    visit("noise", self.noise, in_range(0, 0.5),
          "largest deviation of Gaussian noise, share of the full range");
  }
};

/// Changes the sample's image and masks together, and sets `augmented` where it changed anything. A
/// geometry that would push a whole mask out of the image is dropped; grey values change all the
/// same. Turns are true in millimetres where the record has its spacing.
void augment(const AugmentOptions& options, const Record& record, RandomStream random,
             Sample& sample);

}  // namespace medseg
