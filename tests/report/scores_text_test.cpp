#include "medseg/report/scores_text.h"

#include <gtest/gtest.h>

#include "support/score_cases.h"

namespace medseg {
namespace {

using nlohmann::json;

// Every number of `expected` stands at the same place of `got`.
void expect_numbers(const json& expected, const json& got, const std::string& path) {
  for (const auto& [key, value] : expected.items()) {
    ASSERT_TRUE(got.contains(key)) << path << "." << key;
    if (value.is_object()) {
      expect_numbers(value, got[key], path + "." + key);
    } else {
      EXPECT_NEAR(value.get<double>(), got[key].get<double>(), 1e-12) << path << "." << key;
    }
  }
}

TEST(ScoresText, TotalsAndGroupsOfTheGoldenFile) {
  expect_numbers(score_cases()["expected"], json::parse(scores_json(scores_of_cases())), "scores");
}

TEST(ScoresText, NoTurnIsNullInJson) {
  const auto empty = json::parse(scores_json(ScoreBoard().scores()));
  EXPECT_EQ(empty["n"], 0);
  EXPECT_TRUE(empty["metrics"]["giou"].is_null());
  EXPECT_TRUE(empty["metrics"]["false_positive_rate"].is_null());
}

}  // namespace
}  // namespace medseg
