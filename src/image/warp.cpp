#include "medseg/image/warp.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medseg {

Affine source_of(const Placement& placement, int width, int height) {
  MEDSEG_CHECK(placement.scale > 0 && placement.pixel_aspect > 0, "a warp that has no inverse");
  const double angle = placement.degrees * std::numbers::pi / 180.0;
  const double cosine = std::cos(angle) / placement.scale;
  const double sine = std::sin(angle) / placement.scale;
  const double side = placement.flip ? -1.0 : 1.0;
  Affine source{.xx = side * cosine,
                .xy = side * sine * placement.pixel_aspect,
                .yx = -sine / placement.pixel_aspect,
                .yy = cosine};
  const double middle_x = 0.5 * (width - 1), middle_y = 0.5 * (height - 1);
  const double to_x = middle_x + placement.right, to_y = middle_y + placement.down;
  source.x0 = middle_x - source.xx * to_x - source.xy * to_y;
  source.y0 = middle_y - source.yx * to_x - source.yy * to_y;
  return source;
}

Image warp(const Image& image, const Affine& source) {
  Image out{image.width, image.height, image.channels, {}};
  out.pixels.resize(image.pixels.size());
  const auto channels = static_cast<std::size_t>(image.channels);
  const auto inside = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < image.width && y < image.height;
  };
  auto* to = out.pixels.data();
  for (int v = 0; v < image.height; ++v) {
    for (int u = 0; u < image.width; ++u, to += channels) {
      const double x = source.xx * u + source.xy * v + source.x0;
      const double y = source.yx * u + source.yy * v + source.y0;
      if (!(x > -1 && y > -1 && x < image.width && y < image.height)) continue;
      const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
      const double along = x - left, under = y - top;
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int j = 0; j < 2; ++j) {
          for (int i = 0; i < 2; ++i) {
            if (!inside(left + i, top + j)) continue;
            const double weight = (i == 0 ? 1 - along : along) * (j == 0 ? 1 - under : under);
            sum += weight * image.at(left + i, top + j)[c];
          }
        }
        to[c] = static_cast<std::uint8_t>(std::clamp(sum + 0.5, 0.0, 255.0));
      }
    }
  }
  return out;
}

Mask warp(const Mask& mask, const Affine& source) {
  Mask out(mask.width, mask.height);
  auto* to = out.pixels.data();
  for (int v = 0; v < mask.height; ++v) {
    for (int u = 0; u < mask.width; ++u, ++to) {
      const double x = std::floor(source.xx * u + source.xy * v + source.x0 + 0.5);
      const double y = std::floor(source.yx * u + source.yy * v + source.y0 + 0.5);
      if (!(x >= 0 && y >= 0 && x < mask.width && y < mask.height)) continue;
      *to = mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                        static_cast<std::size_t>(x)];
    }
  }
  return out;
}

}  // namespace medseg
