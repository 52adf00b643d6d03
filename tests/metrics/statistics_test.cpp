#include "medseg/metrics/statistics.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "medseg/metrics/absent.h"
#include "medseg/metrics/calibration.h"

namespace medseg {
namespace {

using nlohmann::json;

const json& golden() {
  static const json file =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/lists.json"));
  return file;
}

TEST(Statistics, PairedTestsEqualScipys) {
  for (const json& item : golden()["paired"]) {
    const auto test = paired_test(item["differences"].get<std::vector<double>>());
    const std::string name = item["form"].get<std::string>() + " " + std::to_string(test.pairs);
    EXPECT_NEAR(item["statistic"].get<double>(), test.wilcoxon_statistic, 1e-9) << name;
    EXPECT_NEAR(item["p"].get<double>(), test.wilcoxon_p, 1e-9) << name;
    if (item.contains("permutation_p"))
      EXPECT_NEAR(item["permutation_p"].get<double>(), test.permutation_p, 1e-9) << name;
  }
}

TEST(Statistics, EqualRunsDoNotDiffer) {
  const auto test = paired_test({0, 0, 0});
  EXPECT_EQ(test.difference, 0);
  EXPECT_EQ(test.permutation_p, 1);
  EXPECT_EQ(test.wilcoxon_p, 1);
  EXPECT_EQ(test.rank_biserial, 0);
  EXPECT_TRUE(std::isnan(test.cohen_dz));
  EXPECT_TRUE(std::isnan(paired_test({}).difference));
}

TEST(Statistics, EffectSizes) {
  const auto test = paired_test({1, 2, 3, -1});
  EXPECT_NEAR(test.difference, 1.25, 1e-12);
  EXPECT_NEAR(test.cohen_dz, 1.25 / std::sqrt(8.75 / 3), 1e-12);
  EXPECT_NEAR(test.rank_biserial, (1.5 + 3 + 4 - 1.5) / 10, 1e-12);
}

TEST(Statistics, ManyPairsAreTestedByRandomSigns) {
  std::vector<double> far(40, 1.0), near;
  for (int i = 0; i < 40; ++i) near.push_back(i % 2 == 0 ? 1.0 : -1.0);
  EXPECT_NEAR(paired_test(far).permutation_p, 1.0 / 10001, 1e-12);
  EXPECT_EQ(paired_test(near).permutation_p, 1);
}

TEST(Statistics, BootstrapHoldsTheMeanAndRepeats) {
  RandomStream random(0, "bootstrap test");
  std::vector<GroupSum> groups;
  for (int i = 0; i < 30; ++i) groups.push_back({random.uniform() * 3, 3});
  const auto interval = bootstrap_mean(groups);
  double sum = 0;
  for (const auto& group : groups) sum += group.sum;
  const double mean = sum / 90;
  EXPECT_LT(interval.low, mean);
  EXPECT_GT(interval.high, mean);
  EXPECT_EQ(interval.low, bootstrap_mean(groups).low);
  EXPECT_NE(interval.low, bootstrap_mean(groups, 1).low);
  // Groups of one size: the jackknife is the usual standard error.
  double squares = 0;
  for (const auto& group : groups) squares += std::pow(group.sum / 3 - mean, 2);
  EXPECT_NEAR(interval.jackknife_se, std::sqrt(squares / 29 / 30), 1e-12);
  EXPECT_TRUE(std::isnan(bootstrap_mean({}).low));
  EXPECT_TRUE(std::isnan(bootstrap_mean({{1, 2}}).jackknife_se));
  EXPECT_EQ(bootstrap_mean({{1, 2}}).low, 0.5);
}

TEST(Absent, MccEqualsScikitLearns) {
  for (const json& item : golden()["presence"]) {
    const auto truth = item["truth"].get<std::vector<bool>>();
    const auto said = item["said"].get<std::vector<bool>>();
    PresenceCounts counts;
    for (std::size_t i = 0; i < truth.size(); ++i) counts.add(truth[i], said[i]);
    EXPECT_NEAR(item["mcc"].get<double>(), counts.mcc(), 1e-12);
  }
}

TEST(Absent, SharesOfEachSide) {
  PresenceCounts counts;
  EXPECT_TRUE(std::isnan(counts.n_acc()));
  EXPECT_EQ(counts.mcc(), 0);
  counts.add(true, true);
  counts.add(true, false);
  counts.add(false, false);
  counts.add(false, true);
  counts.add(false, false);
  counts.add(false, false);
  EXPECT_EQ(counts.t_acc(), 0.5);
  EXPECT_EQ(counts.n_acc(), 0.75);
  EXPECT_EQ(counts.false_positive_rate(), 0.25);
}

TEST(Calibration, EqualsTorchmetrics) {
  for (const json& item : golden()["calibration"]) {
    std::vector<ScoredCase> cases;
    for (std::size_t i = 0; i < item["scores"].size(); ++i)
      cases.push_back({item["scores"][i], item["right"][i]});
    EXPECT_NEAR(item["ece"].get<double>(), expected_calibration_error(cases, item["bins"]), 1e-6);
  }
}

TEST(Calibration, ScoresOfOneStandInTheLastBin) {
  const auto bins = reliability({{1.0, true}, {1.5, false}, {-1, false}}, 4);
  ASSERT_EQ(bins.size(), 4U);
  EXPECT_EQ(bins[3].count, 2);
  EXPECT_EQ(bins[3].share_right, 0.5);
  EXPECT_EQ(bins[0].count, 1);
  EXPECT_TRUE(std::isnan(expected_calibration_error({})));
}

}  // namespace
}  // namespace medseg
