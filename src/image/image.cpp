#include "medseg/image/image.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace medseg {

std::int64_t Mask::area() const {
  return std::accumulate(pixels.begin(), pixels.end(), std::int64_t{0});
}

Mask mask_union(const Mask& a, const Mask& b) {
  MEDSEG_CHECK(a.width == b.width && a.height == b.height, "masks of different sizes");
  Mask either = a;
  for (std::size_t i = 0; i < either.pixels.size(); ++i) either.pixels[i] |= b.pixels[i];
  return either;
}

GreyRange own_range(const Image16& image) {
  std::vector<std::int64_t> counts(65536, 0);
  for (const auto pixel : image.pixels) ++counts[pixel];
  const auto total = static_cast<std::int64_t>(image.pixels.size());
  // The first value with more than `share` of all pixels at or below it.
  const auto value_at = [&](std::int64_t share) {
    std::int64_t seen = 0;
    for (std::size_t value = 0; value < counts.size(); ++value) {
      seen += counts[value];
      if (seen > share) return static_cast<int>(value);
    }
    return 65535;
  };
  GreyRange range{value_at(0), value_at(total - 1)};
  const GreyRange most{value_at(total / 200), value_at(total - 1 - total / 200)};
  if (16 * (most.high - most.low) < range.high - range.low && most.high > most.low) range = most;
  if (range.high == range.low) ++range.high;
  return range;
}

Image to_8_bit(const Image16& image, const GreyRange& range) {
  Image out{image.width, image.height, 1, {}};
  out.pixels.reserve(image.pixels.size());
  for (const auto pixel : image.pixels) {
    const double share =
        static_cast<double>(pixel - range.low) / static_cast<double>(range.high - range.low);
    out.pixels.push_back(
        static_cast<std::uint8_t>(std::lround(255.0 * std::clamp(share, 0.0, 1.0))));
  }
  return out;
}

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  MEDSEG_CHECK(image.channels == 1, "a picture has 1 or 3 channels");
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.reserve(image.pixels.size() * 3);
  for (const auto grey : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, grey);
  return rgb;
}

}  // namespace medseg
