#include "medseg/metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include "medseg/base/random.h"

namespace medseg {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int kResamples = 1000, kSignPatterns = 10000;
constexpr std::size_t kMostExactSigns = 16, kMostExactRanks = 50, kMostExactTies = 13;

double mean_without(const GroupSum& all, const GroupSum& one) {
  return (all.sum - one.sum) / static_cast<double>(all.count - one.count);
}

double jackknife(const std::vector<GroupSum>& groups, const GroupSum& all) {
  const auto n = static_cast<double>(groups.size());
  if (groups.size() < 2) return kNan;
  double mean = 0, squares = 0;
  for (const auto& group : groups) mean += mean_without(all, group) / n;
  for (const auto& group : groups) squares += std::pow(mean_without(all, group) - mean, 2);
  return std::sqrt((n - 1) / n * squares);
}

// Share of the sign patterns whose total is at least as far from 0 as that of the data.
double permutation_p(const std::vector<double>& differences) {
  double total = 0, size = 0;
  for (const double d : differences) {
    total += d;
    size += std::abs(d);
  }
  const double far = std::abs(total) - 1e-12 * size;
  const auto is_far = [&](auto&& minus) {
    double sum = 0;
    for (const double d : differences) sum += minus() ? -d : d;
    return std::abs(sum) >= far;
  };
  std::int64_t hits = 0;
  if (differences.size() <= kMostExactSigns) {
    const std::uint64_t patterns = std::uint64_t{1} << differences.size();
    for (std::uint64_t pattern = 0; pattern < patterns; ++pattern) {
      std::uint64_t left = pattern;
      hits += is_far([&] {
        const bool minus = (left & 1) != 0;
        left >>= 1;
        return minus;
      });
    }
    return static_cast<double>(hits) / static_cast<double>(patterns);
  }
  for (int r = 0; r < kSignPatterns; ++r) {
    RandomStream random(0, "permutation", static_cast<std::uint64_t>(r));
    hits += is_far([&] { return random.next() >> 63 != 0; });
  }
  return static_cast<double>(hits + 1) / (kSignPatterns + 1);
}

struct Ranked {
  std::vector<double> ranks;  // of the sizes; equal ones share their mean rank
  std::vector<bool> positive;
  double ties = 0;  // sum of t^3 - t
};

Ranked ranked(std::vector<double> differences) {
  std::sort(differences.begin(), differences.end(),
            [](double a, double b) { return std::abs(a) < std::abs(b); });
  Ranked all;
  for (std::size_t i = 0; i < differences.size();) {
    std::size_t end = i;
    while (end < differences.size() && std::abs(differences[end]) == std::abs(differences[i]))
      ++end;
    const auto t = static_cast<double>(end - i);
    all.ties += t * t * t - t;
    for (; i < end; ++i) {
      all.ranks.push_back(static_cast<double>(end) - (t - 1) / 2);
      all.positive.push_back(differences[i] > 0);
    }
  }
  return all;
}

// Share of sign patterns with a rank sum of at most `statistic`; ranks may be halves.
double exact_tail(const std::vector<double>& ranks, double statistic) {
  std::size_t most = 0;
  for (const double rank : ranks) most += static_cast<std::size_t>(std::lround(2 * rank));
  std::vector<double> share(most + 1);
  share[0] = 1;
  for (const double rank : ranks) {
    const auto step = static_cast<std::size_t>(std::lround(2 * rank));
    for (std::size_t s = most + 1; s-- > 0;)
      share[s] = 0.5 * share[s] + (s >= step ? 0.5 * share[s - step] : 0);
  }
  const auto last = static_cast<std::size_t>(std::lround(2 * statistic));
  return std::accumulate(share.begin(), share.begin() + static_cast<std::ptrdiff_t>(last) + 1, 0.0);
}

void wilcoxon(const std::vector<double>& differences, PairedTest& test) {
  std::vector<double> moved;
  std::copy_if(differences.begin(), differences.end(), std::back_inserter(moved),
               [](double d) { return d != 0; });
  const Ranked all = ranked(moved);
  double plus = 0, minus = 0;
  for (std::size_t i = 0; i < moved.size(); ++i) (all.positive[i] ? plus : minus) += all.ranks[i];
  test.wilcoxon_statistic = std::min(plus, minus);
  test.rank_biserial = moved.empty() ? 0 : (plus - minus) / (plus + minus);
  if (moved.empty()) {
    test.wilcoxon_p = 1;
    return;
  }
  const bool plain = moved.size() == differences.size() && all.ties == 0;
  if (differences.size() <= (plain ? kMostExactRanks : kMostExactTies)) {
    test.wilcoxon_p = std::min(1.0, 2 * exact_tail(all.ranks, test.wilcoxon_statistic));
    return;
  }
  const auto n = static_cast<double>(moved.size());
  const double variance = (n * (n + 1) * (2 * n + 1) - all.ties / 2) / 24;
  const double z = (test.wilcoxon_statistic - n * (n + 1) / 4) / std::sqrt(variance);
  test.wilcoxon_p = std::erfc(std::abs(z) / std::sqrt(2.0));
}

}  // namespace

double quantile(const std::vector<double>& sorted, double q) {
  const double rank = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(rank);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (rank - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Interval bootstrap_mean(const std::vector<GroupSum>& groups, std::uint64_t seed) {
  Interval interval{kNan, kNan, kNan, static_cast<std::int64_t>(groups.size())};
  if (groups.empty()) return interval;
  GroupSum all;
  for (const auto& group : groups) {
    all.sum += group.sum;
    all.count += group.count;
  }
  std::vector<double> means;
  for (int b = 0; b < kResamples; ++b) {
    RandomStream random(seed, "bootstrap", static_cast<std::uint64_t>(b));
    GroupSum drawn;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const auto& group = groups[random.below(groups.size())];
      drawn.sum += group.sum;
      drawn.count += group.count;
    }
    means.push_back(drawn.sum / static_cast<double>(drawn.count));
  }
  std::sort(means.begin(), means.end());
  interval.low = quantile(means, 0.025);
  interval.high = quantile(means, 0.975);
  interval.jackknife_se = jackknife(groups, all);
  return interval;
}

PairedTest paired_test(const std::vector<double>& differences) {
  if (differences.empty()) return {0, kNan, kNan, kNan, kNan, kNan, kNan};
  PairedTest test;
  const auto n = static_cast<double>(differences.size());
  test.pairs = static_cast<std::int64_t>(differences.size());
  for (const double d : differences) test.difference += d / n;
  double squares = 0;
  for (const double d : differences) squares += std::pow(d - test.difference, 2);
  const double deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  test.cohen_dz = deviation > 0 ? test.difference / deviation : kNan;
  test.permutation_p = permutation_p(differences);
  wilcoxon(differences, test);
  return test;
}

}  // namespace medseg
