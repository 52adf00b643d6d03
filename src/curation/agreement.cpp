#include "medseg/curation/agreement.h"

#include <algorithm>

#include "medseg/base/error.h"

namespace medseg {

std::optional<double> cohen_kappa(const std::vector<int>& a, const std::vector<int>& b) {
  MEDSEG_CHECK(a.size() == b.size(), "ratings of other cases");
  if (a.empty()) return std::nullopt;
  const int most =
      std::max(*std::max_element(a.begin(), a.end()), *std::max_element(b.begin(), b.end()));
  std::vector<double> of_a(static_cast<std::size_t>(most) + 1), of_b(of_a.size());
  double same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    same += a[i] == b[i] ? 1 : 0;
    ++of_a[static_cast<std::size_t>(a[i])];
    ++of_b[static_cast<std::size_t>(b[i])];
  }
  const auto n = static_cast<double>(a.size());
  double chance = 0;
  for (std::size_t c = 0; c < of_a.size(); ++c) chance += of_a[c] / n * of_b[c] / n;
  if (chance >= 1) return std::nullopt;
  return (same / n - chance) / (1 - chance);
}

std::optional<double> fleiss_kappa(const std::vector<std::vector<int>>& ratings) {
  if (ratings.empty()) return std::nullopt;
  double readers = 0;
  for (const int count : ratings[0]) readers += count;
  MEDSEG_CHECK(readers >= 2, "fewer than two readers");
  std::vector<double> share(ratings[0].size());
  double agreement = 0;
  const auto cases = static_cast<double>(ratings.size());
  for (const auto& one : ratings) {
    double squares = 0, sum = 0;
    for (std::size_t c = 0; c < one.size(); ++c) {
      squares += static_cast<double>(one[c]) * one[c];
      sum += one[c];
      share[c] += one[c] / (cases * readers);
    }
    MEDSEG_CHECK(sum == readers, "cases with other numbers of readers");
    agreement += (squares - readers) / (readers * (readers - 1)) / cases;
  }
  double chance = 0;
  for (const double p : share) chance += p * p;
  if (chance >= 1) return std::nullopt;
  return (agreement - chance) / (1 - chance);
}

double dice_of(const Mask& a, const Mask& b) {
  MEDSEG_CHECK(a.width == b.width && a.height == b.height, "masks of other sizes");
  std::int64_t both = 0, sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    both += a.pixels[i] != 0 && b.pixels[i] != 0 ? 1 : 0;
    sum += (a.pixels[i] != 0 ? 1 : 0) + (b.pixels[i] != 0 ? 1 : 0);
  }
  return sum == 0 ? 1.0 : 2.0 * static_cast<double>(both) / static_cast<double>(sum);
}

}  // namespace medseg
