#include "medseg/image/perceptual_hash.h"

#include <bit>

#include "medseg/image/resize.h"

namespace medseg {
namespace {

constexpr int kRows = 16, kColumns = 16;
constexpr int kMargin = 2;  // grey levels

Image grey_of(const Image& image) {
  if (image.channels == 1) return image;
  Image grey{image.width, image.height, 1, {}};
  grey.pixels.reserve(image.pixels.size() / 3);
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    const int sum =
        299 * image.pixels[i] + 587 * image.pixels[i + 1] + 114 * image.pixels[i + 2] + 500;
    grey.pixels.push_back(static_cast<std::uint8_t>(sum / 1000));
  }
  return grey;
}

}  // namespace

int PerceptualHash::set_bits() const { return distance(*this, {}); }

PerceptualHash perceptual_hash(const Image& image) {
  const Image cells = resize(grey_of(image), kColumns + 1, kRows, Filter::kBox);
  PerceptualHash hash;
  for (int y = 0; y < kRows; ++y) {
    for (int x = 0; x < kColumns; ++x) {
      const auto bit = static_cast<unsigned>(y * kColumns + x);
      if (*cells.at(x, y) > *cells.at(x + 1, y) + kMargin)
        hash.words[bit >> 6U] |= std::uint64_t{1} << (bit & 63U);
    }
  }
  return hash;
}

int distance(const PerceptualHash& a, const PerceptualHash& b) {
  int bits = 0;
  for (std::size_t w = 0; w < a.words.size(); ++w) bits += std::popcount(a.words[w] ^ b.words[w]);
  return bits;
}

}  // namespace medseg
