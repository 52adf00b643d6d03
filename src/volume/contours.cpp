#include "contours.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace medseg {

std::vector<Contour> trace_contours(const Mask& mask) {
  const auto set = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
           mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                       static_cast<std::size_t>(x)] != 0;
  };
  // Edges between a pixel of the mask and one outside, with the mask on their right; by the corner
  // that they leave from. Corner (x, y) is the upper left one of pixel (x, y).
  using Corner = std::array<int, 2>;
  std::multimap<Corner, Corner> edges;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      if (!set(x, y)) continue;
      if (!set(x, y - 1)) edges.insert({{x, y}, {x + 1, y}});
      if (!set(x + 1, y)) edges.insert({{x + 1, y}, {x + 1, y + 1}});
      if (!set(x, y + 1)) edges.insert({{x + 1, y + 1}, {x, y + 1}});
      if (!set(x - 1, y)) edges.insert({{x, y + 1}, {x, y}});
    }
  }
  std::vector<Contour> contours;
  while (!edges.empty()) {
    auto edge = edges.begin();
    const Corner first = edge->first;
    std::vector<Corner> corners;
    Corner at = first, before = first;
    do {
      auto [next, end] = edges.equal_range(at);
      // Where two pixels touch by a corner, turn right: stay with the pixel.
      if (std::next(next) != end) {
        const int dx = at[0] - before[0], dy = at[1] - before[1];
        const Corner right = {at[0] - dy, at[1] + dx};
        if (next->second != right) ++next;
      }
      corners.push_back(at);
      before = at;
      at = next->second;
      edges.erase(next);
    } while (at != first);
    Contour contour;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const auto& a = corners[(i + corners.size() - 1) % corners.size()];
      const auto& b = corners[i];
      const auto& c = corners[(i + 1) % corners.size()];
      const bool straight = (b[0] - a[0]) * (c[1] - b[1]) == (b[1] - a[1]) * (c[0] - b[0]);
      if (!straight) contour.push_back({b[0] - 0.5, b[1] - 0.5});
    }
    contours.push_back(std::move(contour));
  }
  return contours;
}

void flip_within(const Contour& contour, Mask& mask) {
  std::vector<double> crossings;
  for (int y = 0; y < mask.height; ++y) {
    crossings.clear();
    for (std::size_t i = 0; i < contour.size(); ++i) {
      const auto& a = contour[i];
      const auto& b = contour[(i + 1) % contour.size()];
      if ((a[1] <= y) == (b[1] <= y)) continue;
      crossings.push_back(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
    }
    std::sort(crossings.begin(), crossings.end());
    for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const double from = std::clamp(std::ceil(crossings[i]), 0.0, 1e9);
      for (int x = static_cast<int>(from); x < mask.width && x < crossings[i + 1]; ++x) {
        auto& pixel =
            mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                        static_cast<std::size_t>(x)];
        pixel = pixel == 0 ? 1 : 0;
      }
    }
  }
}

}  // namespace medseg
