/// \file
/// Whether a score is a probability: expected calibration error and the curve behind it.
///
///     ECE = sum over bins of share of cases * |mean score - share that is right|
///
/// Bins of equal width on [0, 1], closed on the left as in torchmetrics' binary_calibration_error.
#pragma once

#include <cstdint>
#include <vector>

namespace medseg {

struct ScoredCase {
  double score = 0;  ///< in [0, 1]; others are clamped
  bool right = false;
};

struct ReliabilityBin {
  std::int64_t count = 0;
  double mean_score = 0, share_right = 0;  ///< 0 in an empty bin
};

std::vector<ReliabilityBin> reliability(const std::vector<ScoredCase>& cases, int bins = 15);

/// NaN without cases.
double expected_calibration_error(const std::vector<ScoredCase>& cases, int bins = 15);

}  // namespace medseg
