#include "medseg/image/overlay.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "medseg/image/resize.h"

namespace medseg {
namespace {

using Colour = std::array<std::uint8_t, 3>;

// Okabe and Ito (2008), strongest contrast to grey first; black is left out.
constexpr std::array<Colour, 7> kPalette = {{{230, 159, 0},
                                             {86, 180, 233},
                                             {0, 158, 115},
                                             {240, 228, 66},
                                             {204, 121, 167},
                                             {213, 94, 0},
                                             {0, 114, 178}}};
constexpr int kTintPercent = 35;
constexpr int kLine = 22;  // height of a legend line
constexpr int kMargin = 6;

/// Nearest pixel centre; whole factors repeat each as often.
Image enlarge(const Image& image, int width, int height) {
  Image large{width, height, image.channels, {}};
  large.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                       static_cast<std::size_t>(image.channels));
  const auto from = [](int at, int own, int target) {
    return static_cast<int>((2 * static_cast<std::int64_t>(at) + 1) * own / (2 * target));
  };
  for (int y = 0; y < height; ++y) {
    const int row = from(y, image.height, height);
    for (int x = 0; x < width; ++x) {
      const std::uint8_t* pixel = image.at(from(x, image.width, width), row);
      large.pixels.insert(large.pixels.end(), pixel, pixel + image.channels);
    }
  }
  return large;
}

struct Extent {
  int width = 0, height = 0;
};

Extent canvas_of(const Image& image, int min_side, double aspect) {
  if (std::abs(aspect - 1) < 0.01) aspect = 1;  // nobody sees it, and whole factors stay sharp
  const double width = image.width / std::min(aspect, 1.0);
  const double height = image.height * std::max(aspect, 1.0);
  const double side = std::min(width, height);
  // A strip one pixel high must not become gigantic.
  const int limit = std::max(1, static_cast<int>(8192 / std::max(width, height)));
  const int factor = std::clamp(static_cast<int>(std::ceil(min_side / side)), 1, limit);
  const double cut = std::min(1.0, 16384 / (factor * std::max(width, height)));
  const auto whole = [&](double length) {
    return std::max(1, static_cast<int>(std::lround(length * factor * cut)));
  };
  return {whole(width), whole(height)};
}

void draw(Image& canvas, const Mask& mask, const Colour& colour) {
  const auto inside = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
           mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                       static_cast<std::size_t>(x)] != 0;
  };
  const int line = std::max(1, std::min(mask.width, mask.height) / 400);
  const auto at_edge = [&](int x, int y) {
    return !inside(x - line, y) || !inside(x + line, y) || !inside(x, y - line) ||
           !inside(x, y + line);
  };
  std::uint8_t* pixel = canvas.pixels.data();
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x, pixel += 3) {
      if (!inside(x, y)) continue;
      const int share = at_edge(x, y) ? 100 : kTintPercent;
      for (std::size_t c = 0; c < 3; ++c) {
        pixel[c] = static_cast<std::uint8_t>((pixel[c] * (100 - share) + colour[c] * share) / 100);
      }
    }
  }
}

/// White strip below the picture: a coloured square and the label for each named mask.
void add_legend(Image& canvas, const std::vector<std::pair<std::string, Colour>>& entries) {
  if (entries.empty()) return;
  const int top = canvas.height;
  canvas.height += 2 * kMargin + kLine * static_cast<int>(entries.size());
  canvas.pixels.resize(
      static_cast<std::size_t>(canvas.width) * static_cast<std::size_t>(canvas.height) * 3, 255);
  cv::Mat pixels(canvas.height, canvas.width, CV_8UC3, canvas.pixels.data());
  int y = top + kMargin;
  for (const auto& [label, colour] : entries) {
    cv::rectangle(pixels, cv::Rect(kMargin, y + 3, kLine - 6, kLine - 6),
                  cv::Scalar(colour[0], colour[1], colour[2]), cv::FILLED);
    cv::putText(pixels, label, cv::Point(kMargin + kLine, y + kLine - 6), cv::FONT_HERSHEY_SIMPLEX,
                0.5, cv::Scalar(0, 0, 0), 1, cv::LINE_AA);
    y += kLine;
  }
}

}  // namespace

Image draw_overlay(const Image& image, const std::vector<OverlayMask>& masks, int min_side,
                   double pixel_aspect) {
  MEDSEG_CHECK(image.width > 0 && image.height > 0, "nothing to draw on");
  MEDSEG_CHECK(pixel_aspect > 0, "pixel_aspect is not above 0");
  const Extent extent = canvas_of(image, min_side, pixel_aspect);
  Image canvas = enlarge(to_rgb(image), extent.width, extent.height);
  const bool as_it_is = extent.width == image.width && extent.height == image.height;
  std::vector<std::pair<std::string, Colour>> legend;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const Mask& mask = masks[i].mask;
    MEDSEG_CHECK(mask.width == image.width && mask.height == image.height,
                 "mask and picture have different sizes");
    const Colour& colour = kPalette[i % kPalette.size()];
    draw(canvas, as_it_is ? mask : resize_nearest(mask, extent.width, extent.height), colour);
    if (!masks[i].label.empty()) legend.emplace_back(masks[i].label, colour);
  }
  add_legend(canvas, legend);
  return canvas;
}

}  // namespace medseg
