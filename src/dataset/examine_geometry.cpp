#include "examine_geometry.h"

#include <algorithm>

#include "medseg/base/str.h"

namespace medseg {
namespace {

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;

  explicit Box(const std::vector<double>& ring)
      : left(ring[0]), top(ring[1]), right(ring[0]), bottom(ring[1]) {
    for (std::size_t i = 0; i + 1 < ring.size(); i += 2) {
      left = std::min(left, ring[i]);
      right = std::max(right, ring[i]);
      top = std::min(top, ring[i + 1]);
      bottom = std::max(bottom, ring[i + 1]);
    }
  }
  bool holds(const Box& other) const {
    return left <= other.left && top <= other.top && right >= other.right && bottom >= other.bottom;
  }
};

/// By the even-odd rule.
bool inside(const std::vector<double>& ring, double x, double y) {
  bool in = false;
  const std::size_t n = ring.size() / 2;
  for (std::size_t i = 0; i < n; ++i) {
    const double ax = ring[2 * i], ay = ring[2 * i + 1];
    const double bx = ring[2 * ((i + 1) % n)], by = ring[2 * ((i + 1) % n) + 1];
    if ((ay <= y) != (by <= y) && x < ax + (y - ay) * (bx - ax) / (by - ay)) in = !in;
  }
  return in;
}

bool holds_ring(const std::vector<double>& outer, const std::vector<double>& inner) {
  if (!Box(outer).holds(Box(inner))) return false;
  for (std::size_t i = 0; i + 1 < inner.size(); i += 2)
    if (!inside(outer, inner[i], inner[i + 1])) return false;
  return true;
}

}  // namespace

std::string polygon_oddity(const MaskSource& source, int width, int height) {
  constexpr double kSlack = 2;  // pixels beyond the border that tools write
  const auto& rings = source.polygons;
  if (rings.empty()) return "";
  Box all(rings.front());
  for (const auto& ring : rings) {
    const Box box(ring);
    all.left = std::min(all.left, box.left);
    all.top = std::min(all.top, box.top);
    all.right = std::max(all.right, box.right);
    all.bottom = std::max(all.bottom, box.bottom);
  }
  if (width > 2 && height > 2 && all.left >= 0 && all.top >= 0 && all.right <= 1 &&
      all.bottom <= 1) {
    return str_cat("polygon coordinates from 0 to 1, expected pixels: multiply x by ", width,
                   " and y by ", height);
  }
  const bool fits = all.right <= width + kSlack && all.bottom <= height + kSlack;
  if (!fits && all.right <= height + kSlack && all.bottom <= width + kSlack) {
    return str_cat("polygon points reach x ", all.right, ", y ", all.bottom, " in an image of ",
                   width, " x ", height, ": x and y seem to have changed places");
  }
  if (!fits || all.left < -kSlack || all.top < -kSlack) {
    return str_cat("polygon points from (", all.left, ", ", all.top, ") to (", all.right, ", ",
                   all.bottom, ") reach beyond the image of ", width, " x ", height);
  }
  for (std::size_t i = 0; i < rings.size(); ++i) {
    for (std::size_t j = 0; j < rings.size(); ++j) {
      if (i != j && holds_ring(rings[i], rings[j]))
        return str_cat("ring ", j + 1, " lies inside ring ", i + 1,
                       ": rings are united, a hole needs \"rle\" or a file");
    }
  }
  return "";
}

std::string slice_number_note(const SliceOfVolume& slice, const std::string& axes,
                              std::int64_t count) {
  static constexpr const char* kTo[] = {"R", "A", "S"};
  static constexpr const char* kFrom[] = {"L", "P", "I"};
  static constexpr const char* kSide[] = {"left", "back", "feet"};
  const auto axis = static_cast<std::size_t>(slice.axis);
  const bool same = axes.find(kTo[axis]) != std::string::npos;
  const auto stored = axes.find_first_of(std::string(kTo[axis]) + kFrom[axis]);
  if (stored == std::string::npos || (same && stored == axis)) return "";
  const auto number = same ? slice.index : count - 1 - slice.index;
  if (stored == axis && number == slice.index) return "";  // in the middle
  return str_cat("slice ", slice.index, " counts from the ", kSide[axis], "; the file (axes ", axes,
                 ") stores it as number ", number, " along its axis ", stored);
}

}  // namespace medseg
