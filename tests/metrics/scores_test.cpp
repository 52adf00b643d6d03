#include "medseg/metrics/scores.h"

#include <cmath>

#include <gtest/gtest.h>

#include "support/score_cases.h"

namespace medseg {
namespace {

using nlohmann::json;

void expect_group(const json& expected, const GroupScores& got, const std::string& name) {
  EXPECT_EQ(expected["n"].get<std::int64_t>(), got.n) << name;
  EXPECT_NEAR(expected["giou"].get<double>(), got.giou, 1e-12) << name;
  EXPECT_NEAR(expected["ciou"].get<double>(), got.ciou, 1e-12) << name;
  EXPECT_NEAR(expected["dice"].get<double>(), got.dice, 1e-12) << name;
}

void expect_groups(const json& expected, const std::map<std::string, GroupScores>& got) {
  ASSERT_EQ(expected.size(), got.size());
  for (const auto& [name, group] : expected.items()) {
    ASSERT_TRUE(got.contains(name)) << name;
    expect_group(group, got.at(name), name);
  }
}

TEST(Scores, EveryCaseOfTheGoldenFile) {
  ASSERT_GE(score_cases()["cases"].size(), 20U);
  for (const auto& item : score_cases()["cases"]) {
    if (item["reference"].empty()) continue;
    ScoreBoard board;
    board.add(turn_of(item));
    double iou = 0, dice = 0;
    for (const auto& overlap : item["overlap"]) {
      iou += overlap[2].get<double>();
      dice += overlap[3].get<double>();
    }
    const auto n = static_cast<double>(item["overlap"].size());
    EXPECT_NEAR(board.scores().giou, iou / n, 1e-12) << item["name"];
    EXPECT_NEAR(board.scores().dice, dice / n, 1e-12) << item["name"];
  }
}

TEST(Scores, TotalsAndGroupsOfTheGoldenFile) {
  const Scores scores = scores_of_cases();
  const json& expected = score_cases()["expected"];
  EXPECT_EQ(expected["n"].get<std::int64_t>(), scores.n);
  EXPECT_EQ(expected["turns"].get<std::int64_t>(), scores.turns);
  EXPECT_EQ(expected["missed"].get<std::int64_t>(), scores.missed);
  EXPECT_EQ(expected["absent"].get<std::int64_t>(), scores.absent);
  EXPECT_EQ(expected["spurious"].get<std::int64_t>(), scores.spurious);
  const std::map<std::string, double> metrics = {
      {"giou", scores.giou},
      {"ciou", scores.ciou},
      {"dice", scores.dice},
      {"dice_over_targets", scores.dice_over_targets},
      {"seg_count_accuracy", scores.seg_count_accuracy},
      {"name_accuracy", scores.name_accuracy},
      {"false_positive_rate", scores.false_positive_rate}};
  ASSERT_EQ(expected["metrics"].size(), metrics.size());
  EXPECT_EQ(scores.failed, 0);
  for (const auto& [name, value] : metrics)
    EXPECT_NEAR(expected["metrics"][name].get<double>(), value, 1e-12) << name;
  expect_groups(expected["by_modality"], scores.by_modality);
  expect_groups(expected["by_target"], scores.by_target);
  expect_groups(expected["by_phrasing"], scores.by_phrasing);
}

TEST(Scores, AMissIsCountedAndScoresZero) {
  ScoreBoard board;
  board.add({"ct", "", {"a"}, {mask_row("#.")}, {}, {}, false});
  EXPECT_EQ(board.scores().missed, 1);
  EXPECT_EQ(board.scores().giou, 0.0);
  EXPECT_EQ(board.scores().seg_count_accuracy, 0.0);
  EXPECT_TRUE(board.scores().by_phrasing.empty());
}

TEST(Scores, AFalsePositiveNeverMovesTheOverlap) {
  ScoreBoard board;
  board.add({"ct", "", {"a"}, {mask_row("#.")}, {"a"}, {mask_row("#.")}, false});
  const double before = board.scores().giou;
  board.add({"ct", "", {}, {}, {"b"}, {mask_row("##")}, true});
  EXPECT_EQ(board.scores().giou, before);
  EXPECT_EQ(board.scores().false_positive_rate, 1.0);
  EXPECT_EQ(board.scores().spurious, 1);
}

TEST(Scores, AbsentTurnsCountWhereTheNameSaysSo) {
  ScoreBoard board;
  board.add({"ct", "", {"a"}, {mask_row("##..")}, {"a"}, {mask_row("##..")}, false});
  board.add({"ct", "", {}, {}, {}, {}, true});
  EXPECT_NEAR(board.scores().giou_with_absent, 1, 1e-5);
  board.add({"ct", "", {}, {}, {"b"}, {mask_row("#..."), mask_row("##..")}, true});
  EXPECT_NEAR(board.scores().giou_with_absent, 2.0 / 3, 1e-5);
  EXPECT_NEAR(board.scores().ciou_with_absent, 0.5, 1e-9) << "the union of both masks is 2 pixels";
}

TEST(Scores, AFailedTurnIsCountedAndItsTargetsAreMissed) {
  ScoreBoard board;
  ScoredTurn turn{"ct", "", {"a"}, {mask_row("#.")}, {}, {}, false};
  turn.failed = true;
  board.add(turn);
  EXPECT_EQ(board.scores().failed, 1);
  EXPECT_EQ(board.scores().missed, 1);
  EXPECT_EQ(board.scores().giou, 0);
}

TEST(Scores, NoTurnHasNoMean) {
  const Scores empty = ScoreBoard().scores();
  EXPECT_EQ(empty.n, 0);
  EXPECT_TRUE(std::isnan(empty.giou));
  EXPECT_TRUE(std::isnan(empty.false_positive_rate));
}

}  // namespace
}  // namespace medseg
