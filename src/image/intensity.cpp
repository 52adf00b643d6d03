#include "medseg/image/intensity.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace medseg {
namespace {

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::clamp(255.0 * value + 0.5, 0.0, 255.0));
}

}  // namespace

Image adjust(const Image& image, const Intensity& intensity) {
  MEDSEG_CHECK(intensity.gamma > 0, "gamma must be above 0");
  std::array<std::uint64_t, 256> counts{};
  for (const auto pixel : image.pixels) ++counts[pixel];
  std::array<double, 256> curve{};
  double mean = 0;
  for (std::size_t v = 0; v < curve.size(); ++v) {
    curve[v] = std::pow(static_cast<double>(v) / 255.0, intensity.gamma);
    mean += curve[v] * static_cast<double>(counts[v]);
  }
  mean /= static_cast<double>(std::max<std::size_t>(image.pixels.size(), 1));
  std::array<std::uint8_t, 256> table{};
  for (std::size_t v = 0; v < table.size(); ++v)
    table[v] = to_byte(mean + intensity.contrast * (curve[v] - mean) + intensity.brightness);
  Image out = image;
  for (auto& pixel : out.pixels) pixel = table[pixel];
  return out;
}

Image add_noise(const Image& image, double deviation, RandomStream& random) {
  Image out = image;
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < out.pixels.size(); i += channels) {
    const double added = deviation * random.normal();
    for (std::size_t c = 0; c < channels; ++c)
      out.pixels[i + c] = to_byte(static_cast<double>(out.pixels[i + c]) / 255.0 + added);
  }
  return out;
}

}  // namespace medseg
