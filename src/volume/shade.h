/// \file
/// One value through a window.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "medseg/volume/window.h"

namespace medseg {

inline std::uint8_t shade(double value, const Window& window) {
  // Infinities and not-a-number mean "not measured" in maps: black.
  if (!std::isfinite(value)) return 0;
  // In this order: a factor 255 / width made beforehand rounds some halves down.
  const double share = (value - window.low) / std::max(window.high - window.low, 1e-12);
  return static_cast<std::uint8_t>(std::lround(255.0 * std::clamp(share, 0.0, 1.0)));
}

}  // namespace medseg
