#include "medseg/metrics/boundary.h"

#include <algorithm>
#include <cmath>

namespace medseg {
namespace {

// Set cells of the rectangle [y0, y1) x [x0, x1), from sums over all rectangles at the corner.
class Sums {
 public:
  explicit Sums(const PackedMask& mask)
      : height_(mask.size()[1]),
        width_(mask.size()[2]),
        sums_(static_cast<std::size_t>((height_ + 1) * (width_ + 1))) {
    for (std::int64_t y = 0; y < height_; ++y) {
      std::int64_t row = 0;
      for (std::int64_t x = 0; x < width_; ++x) {
        row += mask.at(y * width_ + x);
        at(y + 1, x + 1) = at(y, x + 1) + row;
      }
    }
  }

  std::int64_t count(std::int64_t y0, std::int64_t x0, std::int64_t y1, std::int64_t x1) {
    return at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0);
  }

 private:
  std::int64_t& at(std::int64_t y, std::int64_t x) {
    return sums_[static_cast<std::size_t>(y * (width_ + 1) + x)];
  }

  std::int64_t height_, width_;
  std::vector<std::int64_t> sums_;
};

}  // namespace

PackedMask inner_boundary(const PackedMask& mask, std::int64_t distance) {
  const auto [depth, height, width] = mask.size();
  MEDSEG_CHECK(depth == 1, "a boundary in a volume");
  Sums sums(mask);
  const std::int64_t side = 2 * distance + 1;
  PackedMask boundary(mask.size());
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      if (!mask.at(y * width + x)) continue;
      const std::int64_t y0 = y - distance, x0 = x - distance;
      const bool fits = y0 >= 0 && x0 >= 0 && y0 + side <= height && x0 + side <= width;
      if (!fits || sums.count(y0, x0, y0 + side, x0 + side) < side * side)
        boundary.set(y * width + x);
    }
  }
  return boundary;
}

double boundary_iou(const PackedMask& predicted, const PackedMask& reference, double ratio) {
  const auto& size = reference.size();
  const double diagonal = std::sqrt(static_cast<double>(size[1] * size[1] + size[2] * size[2]));
  const auto distance =
      std::max(std::int64_t{1}, static_cast<std::int64_t>(std::nearbyint(ratio * diagonal)));
  const auto counts =
      count_overlap(inner_boundary(predicted, distance), inner_boundary(reference, distance));
  if (counts.union_() == 0) return 1;
  return static_cast<double>(counts.intersection) / static_cast<double>(counts.union_());
}

}  // namespace medseg
