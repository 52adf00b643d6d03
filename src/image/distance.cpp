// First down the columns: g, the distance to the nearest set pixel of the column. Then along each
// row the lower envelope of the parabolas (x - i)² + g(i)²; all in whole numbers, so that nothing
// is rounded.
#include "medseg/image/distance.h"

#include <algorithm>
#include <cmath>

namespace medseg {
namespace {

using Distances = std::vector<std::int64_t>;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

/// [height * width], `far` where a column has no set pixel.
Distances along_columns(const Mask& mask, std::int64_t far) {
  const std::int64_t width = mask.width, height = mask.height;
  Distances g(mask.pixels.size(), far);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const auto here = at(y * width + x);
      if (mask.pixels[here] != 0) {
        g[here] = 0;
      } else if (y > 0) {
        g[here] = std::min(far, g[at((y - 1) * width + x)] + 1);
      }
    }
  }
  for (std::int64_t y = height - 2; y >= 0; --y) {
    for (std::int64_t x = 0; x < width; ++x) {
      auto& here = g[at(y * width + x)];
      here = std::min(here, g[at((y + 1) * width + x)] + 1);
    }
  }
  return g;
}

struct Parabola {
  std::int64_t place;  ///< of its lowest point
  std::int64_t from;   ///< first x where it is the lowest
};

/// The row's distances squared, in place of its g.
void along_row(std::int64_t* g, std::int64_t width, std::vector<Parabola>& envelope) {
  const auto value = [g](std::int64_t x, std::int64_t i) {
    return (x - i) * (x - i) + g[i] * g[i];
  };
  envelope.clear();
  for (std::int64_t u = 0; u < width; ++u) {
    while (!envelope.empty() &&
           value(envelope.back().from, envelope.back().place) > value(envelope.back().from, u))
      envelope.pop_back();
    std::int64_t from = 0;
    if (!envelope.empty()) {
      // The last x where the one before is not above the new one; it is not left of `from` of that
      // one, so not negative.
      const auto i = envelope.back().place;
      from = 1 + (u * u - i * i + g[u] * g[u] - g[i] * g[i]) / (2 * (u - i));
    }
    if (from < width) envelope.push_back({u, from});
  }
  std::vector<std::int64_t> squares(at(width));
  auto lowest = envelope.size();
  for (std::int64_t x = width - 1; x >= 0; --x) {
    while (envelope[lowest - 1].from > x) --lowest;
    squares[at(x)] = value(x, envelope[lowest - 1].place);
  }
  std::copy(squares.begin(), squares.end(), g);
}

}  // namespace

std::vector<std::int64_t> squared_distances(const Mask& mask) {
  if (mask.area() == 0) return Distances(mask.pixels.size(), -1);
  const std::int64_t width = mask.width, height = mask.height;
  auto distances = along_columns(mask, width + height);
  std::vector<Parabola> envelope;
  envelope.reserve(at(width));
  for (std::int64_t y = 0; y < height; ++y)
    along_row(distances.data() + y * width, width, envelope);
  return distances;
}

std::vector<float> signed_distances(const Mask& mask) {
  std::vector<float> distances(mask.pixels.size(), 0.0F);
  const auto area = static_cast<std::size_t>(mask.area());
  if (area == 0 || area == mask.pixels.size()) return distances;
  Mask outside(mask.width, mask.height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i)
    outside.pixels[i] = mask.pixels[i] != 0 ? std::uint8_t{0} : std::uint8_t{1};
  const auto to_mask = squared_distances(mask), to_outside = squared_distances(outside);
  for (std::size_t i = 0; i < distances.size(); ++i) {
    const auto root = std::sqrt(static_cast<double>(to_mask[i] + to_outside[i]));  // one is 0
    distances[i] = static_cast<float>(mask.pixels[i] != 0 ? 1.0 - root : root);
  }
  return distances;
}

}  // namespace medseg
