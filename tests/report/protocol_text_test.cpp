#include "medseg/report/protocol_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/packed_masks.h"

namespace medseg {
namespace {

using testing::HasSubstr;

Replay replay_of(const std::vector<std::string>& drawn) {
  std::vector<ReplayTurn> turns;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    ReplayTurn turn;
    turn.id = turn.image = turn.subject = "r" + std::to_string(i);
    turn.modality = "ct";
    turn.height = 1;
    turn.width = 4;
    turn.targets = {"cyst, simple"};
    turn.reference = {packed_rows({"##.."})};
    if (!drawn[i].empty()) {
      turn.predicted = {packed_rows({drawn[i]})};
      turn.scores = {1};
    }
    turns.push_back(std::move(turn));
  }
  return Replay(turns);
}

TEST(ProtocolText, JsonHasTheKeysOfEveryProtocol) {
  const Replay replay = replay_of({"##..", ""});
  for (const auto& protocol : protocols()) {
    if (protocol.needs_maps) continue;
    const auto json = protocol_json(score_by(protocol, replay));
    EXPECT_EQ(json["protocol"], protocol.name);
    for (const char* key : {"rules", "n", "turns", "missed", "absent", "spurious", "failed",
                            "metrics", "by_modality", "by_target"})
      EXPECT_TRUE(json.contains(key)) << protocol.name << " " << key;
    EXPECT_THAT(protocol_text(score_by(protocol, replay)),
                HasSubstr("protocol " + std::string(protocol.name) + ": n "));
  }
}

TEST(ProtocolText, NanIsNullAndInfinityAWord) {
  const auto json = protocol_json(score_by(protocol_named("monai"), replay_of({""})));
  EXPECT_EQ(json["metrics"]["hd"], "inf");
  EXPECT_EQ(json["infinite"], 1);
  EXPECT_TRUE(
      protocol_json(score_by(protocol_named("lisa"), Replay({})))["metrics"]["giou"].is_null());
  const auto strict = protocol_json(score_by(protocol_named("strict"), replay_of({"##..", ""})));
  EXPECT_EQ(strict["ci"]["dice"]["subjects"], 2);
  EXPECT_TRUE(strict["metrics"]["volume_dice"].is_null());
}

TEST(ProtocolText, ComparisonHasTestsAndTargets) {
  const auto a = case_rows(replay_of({"##..", "##..", "#..."}));
  const auto b = case_rows(replay_of({"##..", "", ""}));
  const auto json = comparison_json(a, b);
  EXPECT_EQ(json["subjects"], 3);
  EXPECT_NEAR(json["difference"].get<double>(), (0 + 1 + 2.0 / 3) / 3, 1e-12);
  EXPECT_EQ(json["permutation_p"], 0.5);  // 4 of 8 sign patterns are as far: the zero is either
  EXPECT_EQ(json["wilcoxon_statistic"], 0);
  EXPECT_EQ(json["by_target"]["cyst, simple"]["n"], 3);
  EXPECT_THAT(comparison_text(json), HasSubstr("permutation p 0.5000"));
  EXPECT_NO_THROW(comparison_text(comparison_json({}, {})));
}

TEST(ProtocolText, CaseRowsAreCsv) {
  const std::string csv = case_rows_csv(case_rows(replay_of({"##..", ""})));
  EXPECT_THAT(csv, HasSubstr("id,turn,index,target,modality,subject,state,dice,iou,"));
  EXPECT_THAT(csv, HasSubstr("r0,0,0,\"cyst, simple\",ct,r0,found,1.000000,1.000000,"));
  EXPECT_THAT(csv, HasSubstr("r1,0,0,\"cyst, simple\",ct,r1,no [SEG],0.000000,"));
}

}  // namespace
}  // namespace medseg
