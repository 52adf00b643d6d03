// Pixels that count neither way, and volumes put together from slices.
#include <cmath>

#include <gtest/gtest.h>

#include "medseg/metrics/protocols.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

double value_of(const ProtocolResult& result, const std::string& name) {
  for (const auto& [metric, value] : result.metrics) {
    if (metric == name) return value;
  }
  ADD_FAILURE() << result.protocol << " has no " << name;
  return std::nan("");
}

// As replay_predictions makes it: what is ignored is cleared from all masks.
ReplayTurn turn_with(const std::string& drawn, const std::string& ignored) {
  ReplayTurn turn;
  turn.id = turn.image = "a";
  turn.height = 1;
  turn.width = 8;
  turn.targets = {"lesion"};
  turn.reference = {packed_rows({"###....."})};
  turn.predicted = {packed_rows({drawn})};
  turn.scores = {1};
  if (ignored.empty()) return turn;
  turn.ignored = packed_rows({ignored});
  turn.reference[0].remove(turn.ignored);
  turn.predicted[0].remove(turn.ignored);
  return turn;
}

TEST(Ignored, IsNoTrueNegativeOfACase) {
  const Replay replay({turn_with("####....", "...##...")});
  const auto result = score_by(protocol_named("nnunet"), replay);
  EXPECT_EQ(value_of(result, "dice"), 1);
  EXPECT_EQ(value_of(result, "fp"), 0);
  EXPECT_EQ(value_of(result, "tn"), 3);  // 8 pixels, 3 of the lesion, 2 ignored
}

TEST(Ignored, HoldsForEveryTurnOfTheCase) {
  ReplayTurn second = turn_with("######..", "");
  second.turn = 1;
  const auto cases = put_together(Replay({turn_with("####....", "...###.."), second}));
  ASSERT_EQ(cases.cases.size(), 1U);
  const auto& label = cases.cases[0].labels.at(0);
  EXPECT_EQ(label.predicted.area(), 3);
  EXPECT_EQ(cases.cases[0].cells(), 5);
}

// Two planes of one volume, 5 mm apart in depth by the volume's header.
ReplayTurn slice(int index, const std::vector<std::string>& reference,
                 const std::vector<std::string>& drawn) {
  ReplayTurn turn;
  turn.id = "ct-" + std::to_string(index);
  turn.image = "ct.nii.gz";
  turn.plane = PlanePosition{2, index};
  turn.spacing = GridSpacing{5, 2, 1};
  turn.height = 2;
  turn.width = 4;
  turn.targets = {"lesion"};
  turn.reference = {packed_rows(reference)};
  turn.predicted = {packed_rows(drawn)};
  turn.scores = {1};
  return turn;
}

TEST(Volumes, DistancesBetweenSlicesAreInMillimetres) {
  const std::vector<std::string> spot = {"#...", "...."}, none = {"....", "...."};
  // The reference lies in slice 4, the mask was drawn one slice higher: 5 mm away.
  const Replay replay({slice(4, spot, none), slice(5, none, spot)});
  const auto strict = score_by(protocol_named("strict"), replay);
  EXPECT_EQ(value_of(strict, "volume_dice"), 0);
  EXPECT_EQ(value_of(strict, "volume_hd95_monai"), 5);
  EXPECT_EQ(value_of(strict, "volume_assd"), 5);
  // Asked about every second slice, the stack's step is twice as long.
  const Replay sparse({slice(4, spot, none), slice(6, none, spot)});
  EXPECT_EQ(value_of(score_by(protocol_named("strict"), sparse), "volume_hd95_monai"), 10);
}

}  // namespace
}  // namespace medseg
