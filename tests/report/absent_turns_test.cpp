// A promise about every printed score: more questions about what is not there move the printed rate
// of false positives and leave the mean of the masks as it was.
#include <gtest/gtest.h>

#include "medseg/base/random.h"
#include "medseg/report/protocol_text.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

constexpr std::int64_t kSide = 8;

PackedMask random_mask(RandomStream& random) {
  PackedMask mask(GridSize{1, kSide, kSide});
  const auto x = static_cast<std::int64_t>(random.below(5));
  const auto y = static_cast<std::int64_t>(random.below(5));
  for (std::int64_t i = 0; i < 9; ++i) mask.set((y + i / 3) * kSide + x + i % 3);
  return mask;
}

ReplayTurn empty_turn(int number, RandomStream& random) {
  ReplayTurn turn;
  turn.id = turn.image = "record " + std::to_string(number);
  turn.subject = "subject " + std::to_string(random.below(6));
  turn.modality = random.below(2) == 0 ? "ct" : "mr";
  turn.height = turn.width = kSide;
  return turn;
}

void draw(ReplayTurn& turn, RandomStream& random) {
  turn.predicted.push_back(random_mask(random));
  turn.phrases.emplace_back("lesion");
  turn.scores.push_back(random.uniform());
}

TEST(AbsentTurns, MoveTheFalsePositiveRateAndNotTheMeanOfTheMasks) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    RandomStream random(seed, "absent-turns");
    std::vector<ReplayTurn> turns;
    for (int i = 0; i < 40; ++i) {
      auto turn = empty_turn(i, random);
      if (i < 4) {  // some absent turns, all answered rightly
        turn.asks_absent = true;
      } else {
        turn.targets = {random.below(2) == 0 ? "lesion" : "organ"};
        turn.reference = {random_mask(random)};
        if (random.below(8) != 0) draw(turn, random);
      }
      turns.push_back(std::move(turn));
    }
    auto more = turns;
    for (int i = 0; i < 12; ++i) {  // 30 %, half of them answered with a mask
      auto turn = empty_turn(100 + i, random);
      turn.asks_absent = true;
      if (i % 2 == 0) draw(turn, random);
      more.push_back(std::move(turn));
    }
    const Replay before(turns), after(more);
    for (const auto& [protocol, means] :
         std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"lisa", {"dice", "giou", "ciou", "dice_over_targets", "name_accuracy"}},
             {"strict", {"dice", "iou", "ciou", "hd95_monai", "nsd_deepmind", "boundary_iou"}},
             {"monai", {"dice_ignore_empty"}},
             {"sa2va", {"giou", "ciou"}},
             {"biomedparse", {"mdice", "miou"}},
             {"nnunet", {}}}) {
      const auto a = protocol_json(score_by(protocol_named(protocol), before));
      const auto b = protocol_json(score_by(protocol_named(protocol), after));
      for (const auto& mean : means)
        EXPECT_EQ(a["metrics"][mean], b["metrics"][mean]) << protocol << " " << mean;
      EXPECT_EQ(b["absent"], 16);
      if (protocol != "lisa" && protocol != "strict") continue;
      EXPECT_EQ(a["metrics"]["false_positive_rate"], 0);
      EXPECT_EQ(b["metrics"]["false_positive_rate"], 6.0 / 16);
      EXPECT_EQ(a["by_target"], b["by_target"]);
      EXPECT_EQ(a["ci"]["dice"], b["ci"]["dice"]);
      EXPECT_NE(protocol_text(score_by(protocol_named(protocol), after)).find("0.375"),
                std::string::npos);
    }
    const auto lisa_a = protocol_json(score_by(protocol_named("lisa"), before));
    const auto lisa_b = protocol_json(score_by(protocol_named("lisa"), after));
    EXPECT_NE(lisa_a["metrics"]["giou_with_absent"], lisa_b["metrics"]["giou_with_absent"]);
  }
}

}  // namespace
}  // namespace medseg
