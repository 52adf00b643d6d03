// Along the width two sweeps; then along each further axis the lower envelope of the parabolas
// (s (x - i))^2 + f(i).
#include "medseg/metrics/distance_field.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace medseg {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

void along_width(const std::vector<std::uint8_t>& cells, std::int64_t rows, std::int64_t width,
                 double step, std::vector<double>& squares) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::uint8_t* set = cells.data() + row * width;
    double* out = squares.data() + row * width;
    double last = kFar;  // cells back to the last set one
    for (std::int64_t x = 0; x < width; ++x) {
      last = set[x] != 0 ? 0 : last + 1;
      out[x] = last;
    }
    last = kFar;
    for (std::int64_t x = width - 1; x >= 0; --x) {
      last = set[x] != 0 ? 0 : last + 1;
      const double nearest = std::min(out[x], last) * step;
      out[x] = nearest * nearest;
    }
  }
}

class Envelope {
 public:
  explicit Envelope(std::int64_t length)
      : values_(static_cast<std::size_t>(length)),
        lowest_(static_cast<std::size_t>(length)),
        from_(static_cast<std::size_t>(length)) {}

  /// The line `first`, `first` + stride, … in place.
  void run(double* first, std::int64_t length, std::int64_t stride, double step) {
    std::size_t count = 0;
    const double square = step * step;
    for (std::int64_t i = 0; i < length; ++i) {
      const double f = first[i * stride];
      values_[static_cast<std::size_t>(i)] = f;
      if (f == kFar) continue;
      double from = -kFar;
      while (count > 0) {
        const auto j = lowest_[count - 1];
        const double g = values_[static_cast<std::size_t>(j)];
        // Where the new parabola meets the one before.
        from = ((f - g) / square + static_cast<double>(i * i - j * j)) /
               (2.0 * static_cast<double>(i - j));
        if (from > from_[count - 1]) break;
        --count;
      }
      if (count == 0) from = -kFar;
      lowest_[count] = i;
      from_[count++] = from;
    }
    if (count == 0) return;
    std::size_t at = 0;
    for (std::int64_t i = 0; i < length; ++i) {
      while (at + 1 < count && from_[at + 1] < static_cast<double>(i)) ++at;
      const double apart = step * static_cast<double>(i - lowest_[at]);
      first[i * stride] = apart * apart + values_[static_cast<std::size_t>(lowest_[at])];
    }
  }

 private:
  std::vector<double> values_;
  std::vector<std::int64_t> lowest_;  // of the parabolas of the envelope, from left to right
  std::vector<double> from_;          // where each begins to be the lowest
};

}  // namespace

std::vector<double> squared_distances(const std::vector<std::uint8_t>& cells, const GridSize& size,
                                      const GridSpacing& spacing) {
  const auto [depth, height, width] = size;
  std::vector<double> squares(cells.size());
  along_width(cells, depth * height, width, spacing[2], squares);
  Envelope rows(height), planes(depth);
  for (std::int64_t z = 0; z < depth && height > 1; ++z) {
    for (std::int64_t x = 0; x < width; ++x)
      rows.run(squares.data() + z * height * width + x, height, width, spacing[1]);
  }
  for (std::int64_t i = 0; i < height * width && depth > 1; ++i)
    planes.run(squares.data() + i, depth, height * width, spacing[0]);
  return squares;
}

}  // namespace medseg
