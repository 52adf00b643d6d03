/// \file
/// Pictures and masks in memory. Rows from the top, pixels from the left, channels together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/base/error.h"

namespace medseg {

/// 8-bit picture, image frame. `pixels[(y * width + x) * channels + c]`, 1 (grey) or 3 (RGB)
/// channels.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 1;
  std::vector<std::uint8_t> pixels;

  const std::uint8_t* at(int x, int y) const {
    return pixels.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                            static_cast<std::size_t>(x)) *
                               static_cast<std::size_t>(channels);
  }
};

/// 16-bit grey picture as a file may hold it; a window makes it 8-bit.
struct Image16 {
  int width = 0;
  int height = 0;
  std::vector<std::uint16_t> pixels;
};

/// Binary mask, image frame: 0 or 1 a pixel.
struct Mask {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;

  Mask() = default;
  Mask(int w, int h)
      : width(w), height(h), pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h)) {}

  std::int64_t area() const;  ///< foreground pixels
  bool operator==(const Mask&) const = default;
};

/// `a` or `b`. \pre equal sizes.
Mask mask_union(const Mask& a, const Mask& b);

/// Smallest and largest value, which `to_8_bit` shows as 0 and 255. Equal bounds are widened by
/// one.
struct GreyRange {
  int low = 0;
  int high = 65535;
};

/// Of a 16-bit image whatever number of bits it uses: the least and the greatest pixel; where all
/// but one pixel in a hundred lie in less than a sixteenth of that, the bounds of those (a marker
/// or a dead pixel must not hide the rest).
GreyRange own_range(const Image16& image);

/// round(255 * clamp((v - low) / (high - low))).
Image to_8_bit(const Image16& image, const GreyRange& range);

/// Grey repeated to three channels; RGB as it is.
Image to_rgb(const Image& image);

}  // namespace medseg
