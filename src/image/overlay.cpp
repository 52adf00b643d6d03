#include "medseg/image/overlay.h"

#include <algorithm>
#include <array>

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

Image enlarge(const Image& image, int factor) {
  Image large{image.width * factor, image.height * factor, image.channels, {}};
  large.pixels.reserve(image.pixels.size() * static_cast<std::size_t>(factor * factor));
  for (int y = 0; y < large.height; ++y) {
    for (int x = 0; x < large.width; ++x) {
      const std::uint8_t* from = image.at(x / factor, y / factor);
      large.pixels.insert(large.pixels.end(), from, from + image.channels);
    }
  }
  return large;
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

Image draw_overlay(const Image& image, const std::vector<OverlayMask>& masks, int min_side) {
  MEDSEG_CHECK(image.width > 0 && image.height > 0, "nothing to draw on");
  const int side = std::min(image.width, image.height);
  // A strip one pixel high must not become gigantic.
  const int limit = std::max(1, 8192 / std::max(image.width, image.height));
  const int factor = std::clamp((min_side + side - 1) / side, 1, limit);
  Image canvas = enlarge(to_rgb(image), factor);
  std::vector<std::pair<std::string, Colour>> legend;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const Mask& mask = masks[i].mask;
    MEDSEG_CHECK(mask.width == image.width && mask.height == image.height,
                 "mask and picture have different sizes");
    const Colour& colour = kPalette[i % kPalette.size()];
    draw(canvas, factor == 1 ? mask : resize_nearest(mask, canvas.width, canvas.height), colour);
    if (!masks[i].label.empty()) legend.emplace_back(masks[i].label, colour);
  }
  add_legend(canvas, legend);
  return canvas;
}

}  // namespace medseg
