/// \file
/// Changes of a picture's grey values; places stay where they are.
#pragma once

#include "medseg/base/random.h"
#include "medseg/image/image.h"

namespace medseg {

/// With v from 0 to 1 and m the mean of the picture after the first step: v^gamma, then m +
/// contrast (v - m), then + brightness; cut to 0 … 1.
struct Intensity {
  double gamma = 1;
  double contrast = 1;
  double brightness = 0;
};

/// \pre gamma above 0.
Image adjust(const Image& image, const Intensity& intensity);

/// Gaussian, one number a pixel for all its channels, so that grey stays grey. `deviation` is a
/// share of the full range.
Image add_noise(const Image& image, double deviation, RandomStream& random);

}  // namespace medseg
