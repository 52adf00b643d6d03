/// \file
/// Turns and mirrors by the EXIF orientation.
#pragma once

#include <utility>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

/// Pixel (x, y) of the stored image goes to where a viewer shows it. `orientation` is EXIF's, 1 to
/// 8.
template <class Pixel>
std::vector<Pixel> upright_pixels(const std::vector<Pixel>& pixels, int width, int height,
                                  int channels, int orientation) {
  const bool across = orientation >= 5;  // rows become columns
  const int out_width = across ? height : width;
  std::vector<Pixel> out(pixels.size());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int right = width - 1 - x, up = height - 1 - y;
      const std::pair<int, int> to[] = {{x, y}, {right, y}, {right, up}, {x, up},
                                        {y, x}, {up, x},    {up, right}, {y, right}};
      const auto [to_x, to_y] = to[orientation - 1];
      const auto from = (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                         static_cast<std::size_t>(x)) *
                        static_cast<std::size_t>(channels);
      const auto at = (static_cast<std::size_t>(to_y) * static_cast<std::size_t>(out_width) +
                       static_cast<std::size_t>(to_x)) *
                      static_cast<std::size_t>(channels);
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
        out[at + c] = pixels[from + c];
    }
  }
  return out;
}

inline Image upright(const Image& image, int orientation) {
  const bool across = orientation >= 5;
  return {across ? image.height : image.width, across ? image.width : image.height, image.channels,
          upright_pixels(image.pixels, image.width, image.height, image.channels, orientation)};
}

inline Image16 upright(const Image16& image, int orientation) {
  const bool across = orientation >= 5;
  return {across ? image.height : image.width, across ? image.width : image.height,
          upright_pixels(image.pixels, image.width, image.height, 1, orientation)};
}

}  // namespace medseg
