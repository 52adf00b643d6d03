#include "medseg/image/resize.h"

#include <algorithm>
#include <cmath>

namespace medseg {
namespace {

constexpr int kFractionBits = 22;  // 32 bits less 8 of the pixel and 2 for overshoot

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return {box, 0.5};
    case Filter::kBilinear:
      return {bilinear, 1.0};
    case Filter::kBicubic:
      return {bicubic, 2.0};
  }
  check_failed(__FILE__, __LINE__, "filter", "no such filter");
}

/// Which input pixels make one output pixel, and how much each weighs.
struct Taps {
  int first = 0;
  int count = 0;
  std::size_t weights = 0;  ///< where they start
};

struct Coefficients {
  std::vector<Taps> taps;
  std::vector<std::int32_t> weights;  ///< fixed point
};

/// Output pixels first … first + count - 1 of `size` along one side.
struct Stretch {
  int size, first, count;
};

// The order of the operations is Pillow's: the last bit depends on it.
Coefficients coefficients(int in_size, const Stretch& stretch, Filter filter) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(in_size) / stretch.size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  Coefficients result;
  std::vector<double> weights;
  for (int out = stretch.first; out < stretch.first + stretch.count; ++out) {
    const double center = (out + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), in_size);
    weights.clear();
    double sum = 0.0;
    for (int x = 0; x < end - first; ++x) {
      weights.push_back(kernel.weight((x + first - center + 0.5) * inverse));
      sum += weights.back();
    }
    result.taps.push_back({first, end - first, result.weights.size()});
    for (double w : weights) {
      if (sum != 0.0) w /= sum;
      const double fixed = w * (1 << kFractionBits);
      result.weights.push_back(static_cast<std::int32_t>(w < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return result;
}

std::uint8_t to_8_bits(std::int32_t fixed) {
  return static_cast<std::uint8_t>(std::clamp(fixed >> kFractionBits, 0, 255));
}

template <int channels>
Image resize_rows(const Image& in, const Stretch& width, Filter filter) {
  const Coefficients coeffs = coefficients(in.width, width, filter);
  Image out{width.count, in.height, channels, {}};
  out.pixels.resize(static_cast<std::size_t>(width.count) * static_cast<std::size_t>(in.height) *
                    channels);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < in.height; ++y) {
    for (const Taps& tap : coeffs.taps) {
      const std::uint8_t* from = in.at(tap.first, y);
      const std::int32_t* weight = coeffs.weights.data() + tap.weights;
      std::int32_t sum[channels];
      std::fill_n(sum, channels, 1 << (kFractionBits - 1));
      for (int x = 0; x < tap.count; ++x) {
        for (int c = 0; c < channels; ++c) sum[c] += *from++ * weight[x];
      }
      for (int c = 0; c < channels; ++c) *to++ = to_8_bits(sum[c]);
    }
  }
  return out;
}

Image resize_columns(const Image& in, const Stretch& height, Filter filter) {
  const Coefficients coeffs = coefficients(in.height, height, filter);
  const std::size_t row =
      static_cast<std::size_t>(in.width) * static_cast<std::size_t>(in.channels);
  Image out{in.width, height.count, in.channels, {}};
  out.pixels.resize(row * static_cast<std::size_t>(height.count));
  std::vector<std::int32_t> sum(row);  // one output row at once: memory is read along rows
  for (int y = 0; y < height.count; ++y) {
    const Taps& tap = coeffs.taps[static_cast<std::size_t>(y)];
    std::fill(sum.begin(), sum.end(), 1 << (kFractionBits - 1));
    for (int t = 0; t < tap.count; ++t) {
      const std::uint8_t* from = in.at(0, tap.first + t);
      const std::int32_t weight = coeffs.weights[tap.weights + static_cast<std::size_t>(t)];
      for (std::size_t x = 0; x < row; ++x) sum[x] += from[x] * weight;
    }
    std::uint8_t* to = out.pixels.data() + static_cast<std::size_t>(y) * row;
    for (std::size_t x = 0; x < row; ++x) to[x] = to_8_bits(sum[x]);
  }
  return out;
}

}  // namespace

Image resize(const Image& image, int width, int height, Filter filter) {
  return resize_part(image, width, height, filter, 0, 0, width, height);
}

Image resize_part(const Image& image, int width, int height, Filter filter, int x, int y,
                  int part_width, int part_height) {
  MEDSEG_CHECK(width > 0 && height > 0, "a picture cannot shrink to nothing");
  MEDSEG_CHECK(x >= 0 && y >= 0 && part_width > 0 && part_height > 0 && x <= width - part_width &&
                   y <= height - part_height,
               "the part lies outside the picture");
  MEDSEG_CHECK(image.width > 0 && image.height > 0, "an empty picture cannot be resized");
  MEDSEG_CHECK(image.channels == 1 || image.channels == 3, "a picture has 1 or 3 channels");
  Image wide;
  const Image* current = &image;
  const Stretch across{width, x, part_width}, down{height, y, part_height};
  if (width != image.width) {
    wide = image.channels == 1 ? resize_rows<1>(image, across, filter)
                               : resize_rows<3>(image, across, filter);
    current = &wide;
  } else if (part_width != width) {
    wide = crop(image, x, 0, part_width, image.height);
    current = &wide;
  }
  if (height != image.height) return resize_columns(*current, down, filter);
  return part_height != height ? crop(*current, 0, y, part_width, part_height) : *current;
}

Mask resize_nearest(const Mask& mask, int width, int height) {
  MEDSEG_CHECK(width > 0 && height > 0, "a mask cannot shrink to nothing");
  MEDSEG_CHECK(mask.width > 0 && mask.height > 0, "an empty mask cannot be resized");
  // The input pixel under the centre of an output pixel: floor((out + 1/2) * in / out_size), in
  // integers.
  const auto under = [](std::int64_t out, std::int64_t in_size, std::int64_t out_size) {
    return static_cast<std::size_t>((2 * out + 1) * in_size / (2 * out_size));
  };
  Mask result(width, height);
  std::uint8_t* to = result.pixels.data();
  for (int y = 0; y < height; ++y) {
    const std::size_t row = under(y, mask.height, height) * static_cast<std::size_t>(mask.width);
    for (int x = 0; x < width; ++x) *to++ = mask.pixels[row + under(x, mask.width, width)];
  }
  return result;
}

Image crop(const Image& image, int x, int y, int width, int height) {
  MEDSEG_CHECK(width > 0 && height > 0, "an empty cut-out");
  Image cut{width, height, image.channels, {}};
  const auto channels = static_cast<std::size_t>(image.channels);
  cut.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels);
  // 64 bits: x + width may lie beyond the range of int.
  const std::int64_t left = std::max<std::int64_t>(x, 0);
  const std::int64_t right = std::min<std::int64_t>(std::int64_t{x} + width, image.width);
  const std::int64_t bottom = std::min<std::int64_t>(std::int64_t{y} + height, image.height);
  if (left >= right) return cut;
  for (std::int64_t row = std::max<std::int64_t>(y, 0); row < bottom; ++row) {
    const auto to = (static_cast<std::size_t>(row - y) * static_cast<std::size_t>(width) +
                     static_cast<std::size_t>(left - x)) *
                    channels;
    std::copy_n(image.at(static_cast<int>(left), static_cast<int>(row)),
                static_cast<std::size_t>(right - left) * channels, cut.pixels.data() + to);
  }
  return cut;
}

}  // namespace medseg
