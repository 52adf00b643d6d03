#include "medseg/metrics/threshold.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/metrics/protocols.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

ReplayTurn turn_of(bool absent, const std::vector<std::pair<std::string, double>>& drawn) {
  ReplayTurn turn;
  turn.id = "a";
  turn.height = 1;
  turn.width = 4;
  turn.asks_absent = absent;
  if (!absent) {
    turn.targets = {"lesion"};
    turn.reference = {packed_rows({"##.."})};
  }
  for (const auto& [mask, score] : drawn) {
    turn.predicted.push_back(packed_rows({mask}));
    turn.phrases.push_back("lesion");
    turn.scores.push_back(score);
  }
  return turn;
}

double value_of(const Replay& replay, const std::string& protocol, const std::string& name) {
  for (const auto& [metric, value] : score_by(protocol_named(protocol), replay).metrics) {
    if (metric == name) return value;
  }
  return std::nan("");
}

TEST(Threshold, ChoosesWhatIsRightMostOftenByHand) {
  // Without: Dice 1 and 1, both absent turns wrong: 2/4. From 0.45 on: 1, 1 and one absent turn
  // right: 3/4. Above 0.5 a mask is lost for the other absent turn: 3/4 as well, so the lower wins.
  const Replay replay({turn_of(false, {{"##..", 0.9}}), turn_of(false, {{"##..", 0.5}}),
                       turn_of(true, {{"..#.", 0.4}}), turn_of(true, {{"..#.", 0.6}})});
  const auto choice = choose_threshold(replay);
  EXPECT_DOUBLE_EQ(choice.threshold, 0.45);
  EXPECT_DOUBLE_EQ(choice.right_without, 0.5);
  EXPECT_DOUBLE_EQ(choice.right, 0.75);
  EXPECT_DOUBLE_EQ(choice.dice, 1);
  EXPECT_DOUBLE_EQ(choice.false_positive_rate, 0.5);
  EXPECT_DOUBLE_EQ(choice.false_positive_rate_without, 1);
  EXPECT_EQ(choice.references, 2);
  EXPECT_EQ(choice.absent, 2);
}

TEST(Threshold, IsZeroWhereEveryMaskIsWorthDrawing) {
  const Replay replay(
      {turn_of(false, {{"##..", 0.2}}), turn_of(false, {{"#...", 0.8}}), turn_of(true, {})});
  EXPECT_EQ(choose_threshold(replay).threshold, 0);
}

TEST(Threshold, AgreesWithScoringAgain) {
  RandomStream random(0, "threshold-test");
  std::vector<ReplayTurn> turns;
  for (int i = 0; i < 60; ++i) {
    const double score = random.uniform();
    const bool right = random.uniform() < score;
    turns.push_back(turn_of(random.below(3) == 0, {{right ? "##.." : "...#", score}}));
  }
  const Replay replay(turns);
  const auto choice = choose_threshold(replay);
  const Replay after = with_threshold(replay, choice.threshold);
  EXPECT_NEAR(value_of(after, "strict", "dice"), choice.dice, 1e-12);
  EXPECT_NEAR(value_of(after, "strict", "false_positive_rate"), choice.false_positive_rate, 1e-12);
  EXPECT_NEAR(value_of(replay, "strict", "dice"), choice.dice_without, 1e-12);
  // No other threshold is right more often.
  for (int t = 0; t <= 100; ++t) {
    const Replay other = with_threshold(replay, t / 100.0);
    const double right =
        (value_of(other, "strict", "dice") * static_cast<double>(choice.references) +
         (1 - value_of(other, "strict", "false_positive_rate")) *
             static_cast<double>(choice.absent)) /
        static_cast<double>(choice.references + choice.absent);
    EXPECT_LE(right, choice.right + 1e-12) << t;
  }
}

TEST(Threshold, KeepsThePlacesOfTheOthers) {
  ReplayTurn turn = turn_of(false, {{"##..", 0.1}, {"..##", 0.9}, {"#...", 0.2}});
  turn.targets.push_back("cyst");
  turn.reference.push_back(packed_rows({"..##"}));
  const Replay after = with_threshold(Replay({turn}), 0.5);
  ASSERT_EQ(after.turns()[0].predicted.size(), 2U) << "the last is gone, the first is empty";
  EXPECT_TRUE(after.turns()[0].predicted[0].empty());
  EXPECT_EQ(after.items()[1].counts.intersection, 2);
  EXPECT_EQ(after.turns()[0].phrases.size(), 2U);
}

TEST(Threshold, NeedsScoresThatDiffer) {
  const Replay replay({turn_of(false, {{"##..", 1}}), turn_of(true, {{"..#.", 1}})});
  EXPECT_THAT([&] { choose_threshold(replay); },
              ThrowsMessage<DataError>(HasSubstr("all masks have the same score")));
}

}  // namespace
}  // namespace medseg
