#include "medseg/image/image.h"

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

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  MEDSEG_CHECK(image.channels == 1, "a picture has 1 or 3 channels");
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.reserve(image.pixels.size() * 3);
  for (const auto grey : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, grey);
  return rgb;
}

}  // namespace medseg
