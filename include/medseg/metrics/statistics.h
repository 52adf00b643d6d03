/// \file
/// How sure a mean is, and whether two runs differ. Values come in groups (subjects): cases of one
/// subject are not independent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace medseg {

/// Sum and number of the values of one subject.
struct GroupSum {
  double sum = 0;
  std::int64_t count = 0;
};

struct Interval {
  double low = 0, high = 0;  ///< quantiles 0.025 and 0.975 of the resampled means
  double jackknife_se = 0;   ///< free of random numbers; NaN for fewer than two groups
  std::int64_t groups = 0;
};

/// Percentile bootstrap of sum of sums / sum of counts: 1000 resamples of the groups with
/// replacement, resample b drawn from RandomStream(seed, "bootstrap", b). All NaN without a group.
/// \pre every group has a value. The order of the groups matters to the random numbers: sort them.
Interval bootstrap_mean(const std::vector<GroupSum>& groups, std::uint64_t seed = 0);

struct PairedTest {
  std::int64_t pairs = 0;
  double difference = 0;  ///< mean of the differences
  /// Share of sign patterns at least as far from 0: all 2^pairs for at most 16, else 10,000 random
  /// ones from RandomStream(0, "permutation", r).
  double permutation_p = 0;
  double wilcoxon_statistic = 0;  ///< smaller of both rank sums
  double wilcoxon_p = 0;          ///< two-sided, as scipy.stats.wilcoxon's default
  double cohen_dz = 0;            ///< mean / deviation of the differences; NaN where that is 0
  double rank_biserial = 0;       ///< (W+ - W-) / (W+ + W-); 0 where all differences are 0
};

/// Of differences "one run less the other", one a subject. All NaN without one.
PairedTest paired_test(const std::vector<double>& differences);

/// Of ascending values, linear between ranks as numpy. \pre not empty.
double quantile(const std::vector<double>& sorted, double q);

}  // namespace medseg
