#include <algorithm>
#include <cmath>

#include "medseg/base/str.h"
#include "medseg/image/rle.h"

namespace medseg {
namespace {

constexpr double kFine = 5.0;               // pycocotools walks the outline in fifths of a pixel
constexpr double kMaxCoordinate = 1 << 24;  // fifths still fit an int
constexpr std::int64_t kMaxSteps = std::int64_t{1} << 27;

/// Where the outline crosses columns of pixels. Pixels are numbered columns first; every crossing
/// switches inside and outside from its pixel on.
class Crossings {
 public:
  Crossings(int width, int height)
      : width_(width),
        height_(height),
        switches_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) + 1) {}

  /// The next point of the outline, in fifths of a pixel.
  void visit(int u, int v) {
    if (started_ && u != u_) cross(u, v);
    started_ = true;
    u_ = u;
    v_ = v;
  }

  void add_to(Mask& mask) const {
    bool inside = false;
    std::size_t at = 0;
    for (int x = 0; x < width_; ++x) {
      for (int y = 0; y < height_; ++y) {
        inside ^= switches_[at++] != 0;
        if (inside) {
          mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                      static_cast<std::size_t>(x)] = 1;
        }
      }
    }
  }

 private:
  void cross(int u, int v) {
    const double x = ((u < u_ ? u : u - 1) + 0.5) / kFine - 0.5;
    if (std::floor(x) != x || x < 0 || x > width_ - 1) return;
    double y = (std::min(v, v_) + 0.5) / kFine - 0.5;
    y = std::ceil(std::clamp(y, 0.0, static_cast<double>(height_)));
    switches_[static_cast<std::size_t>(x) * static_cast<std::size_t>(height_) +
              static_cast<std::size_t>(y)] ^= 1;
  }

  int width_;
  int height_;
  bool started_ = false;
  int u_ = 0;
  int v_ = 0;
  std::vector<std::uint8_t> switches_;
};

/// One side, both ends included. Rounding goes from the smaller end, whichever way it is walked.
void walk(int xs, int ys, int xe, int ye, Crossings& crossings) {
  const int dx = std::abs(xe - xs);
  const int dy = std::abs(ye - ys);
  const bool flat = dx >= dy;
  const bool flip = flat ? xs > xe : ys > ye;
  if (flip) {
    std::swap(xs, xe);
    std::swap(ys, ye);
  }
  const int steps = flat ? dx : dy;
  const double slope = steps == 0 ? 0.0 : static_cast<double>(flat ? ye - ys : xe - xs) / steps;
  for (int d = 0; d <= steps; ++d) {
    const int t = flip ? steps - d : d;
    if (flat) {
      crossings.visit(xs + t, static_cast<int>(ys + slope * t + 0.5));
    } else {
      crossings.visit(static_cast<int>(xs + slope * t + 0.5), ys + t);
    }
  }
}

void fill(const std::vector<double>& polygon, Mask& mask, std::int64_t& steps) {
  if (polygon.size() % 2 != 0 || polygon.size() < 6) {
    throw DataError(str_cat("polygon: found ", polygon.size(),
                            " numbers, expected pairs x, y of at least three points"));
  }
  std::vector<int> fine;
  for (const double value : polygon) {
    if (!(std::abs(value) <= kMaxCoordinate)) {
      throw DataError(str_cat("polygon: coordinate ", value, ", expected pixels of the picture"));
    }
    fine.push_back(static_cast<int>(kFine * value + 0.5));
  }
  fine.push_back(fine[0]);
  fine.push_back(fine[1]);
  Crossings crossings(mask.width, mask.height);
  for (std::size_t i = 0; i + 3 < fine.size(); i += 2) {
    steps += std::max(std::abs(fine[i + 2] - fine[i]), std::abs(fine[i + 3] - fine[i + 1])) + 1;
    if (steps > kMaxSteps) throw DataError("polygon: its outline is longer than 2 * 10^7 pixels");
    walk(fine[i], fine[i + 1], fine[i + 2], fine[i + 3], crossings);
  }
  crossings.add_to(mask);
}

}  // namespace

Mask fill_polygons(const std::vector<std::vector<double>>& polygons, int width, int height) {
  MEDSEG_CHECK(width > 0 && height > 0, "an empty picture holds no polygon");
  Mask mask(width, height);
  std::int64_t steps = 0;
  for (const auto& polygon : polygons) fill(polygon, mask, steps);
  return mask;
}

}  // namespace medseg
