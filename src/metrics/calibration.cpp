#include "medseg/metrics/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace medseg {

std::vector<ReliabilityBin> reliability(const std::vector<ScoredCase>& cases, int bins) {
  std::vector<ReliabilityBin> all(static_cast<std::size_t>(bins));
  for (const auto& item : cases) {
    const double score = std::clamp(item.score, 0.0, 1.0);
    const int bin = std::min(static_cast<int>(score * bins), bins - 1);
    auto& here = all[static_cast<std::size_t>(bin)];
    ++here.count;
    here.mean_score += score;
    here.share_right += item.right ? 1 : 0;
  }
  for (auto& bin : all) {
    if (bin.count == 0) continue;
    bin.mean_score /= static_cast<double>(bin.count);
    bin.share_right /= static_cast<double>(bin.count);
  }
  return all;
}

double expected_calibration_error(const std::vector<ScoredCase>& cases, int bins) {
  if (cases.empty()) return std::numeric_limits<double>::quiet_NaN();
  double error = 0;
  for (const auto& bin : reliability(cases, bins))
    error += static_cast<double>(bin.count) * std::abs(bin.mean_score - bin.share_right);
  return error / static_cast<double>(cases.size());
}

}  // namespace medseg
