#include "medseg/metrics/protocols.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::ThrowsMessage;

const json& golden() {
  static const json file =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/protocols/turns.json"));
  return file;
}

// Above 0.1 are a mask's pixels and their neighbours in the row, as the fixture's script has it.
PackedMask widened(const PackedMask& mask) {
  PackedMask wide = mask;
  const std::int64_t width = mask.size()[2];
  for (std::int64_t i = 0; i < mask.cells(); ++i) {
    if (!mask.at(i)) continue;
    if (i % width > 0) wide.set(i - 1);
    if (i % width + 1 < width) wide.set(i + 1);
  }
  return wide;
}

ReplayTurn replay_turn(const json& item) {
  ReplayTurn turn;
  turn.id = item["name"];
  turn.image = item["image"];
  turn.subject = item["subject"];
  turn.modality = item["modality"];
  turn.asks_absent = item["absent"];
  turn.height = golden()["height"];
  turn.width = golden()["width"];
  if (!item["plane"].is_null()) turn.plane = PlanePosition{item["plane"][0], item["plane"][1]};
  if (!item["spacing"].is_null())
    turn.spacing = GridSpacing{1, item["spacing"][0], item["spacing"][1]};
  turn.targets = item["labels"].get<std::vector<std::string>>();
  turn.phrases = item["phrases"].get<std::vector<std::string>>();
  turn.scores = item["scores"].get<std::vector<double>>();
  for (const json& mask : item["refs"]) turn.reference.push_back(packed_rows(mask));
  for (const json& mask : item["masks"]) turn.predicted.push_back(packed_rows(mask));
  for (const auto& mask : turn.predicted) turn.probable.push_back(widened(mask));
  turn.answer = item["answer"];
  turn.text = item["text"];
  return turn;
}

Replay golden_replay() {
  std::vector<ReplayTurn> turns;
  for (const json& item : golden()["turns"]) turns.push_back(replay_turn(item));
  return Replay(turns);
}

double value_of(const ProtocolResult& result, const std::string& name) {
  for (const auto& [metric, value] : result.metrics) {
    if (metric == name) return value;
  }
  ADD_FAILURE() << result.protocol << " has no " << name;
  return std::nan("");
}

std::int64_t count_of(const ProtocolResult& result, const std::string& name) {
  for (const auto& [count, value] : result.counts) {
    if (count == name) return value;
  }
  ADD_FAILURE() << result.protocol << " has no " << name;
  return -1;
}

TEST(Protocols, EveryOneGivesItsNumbersForTheGoldenTurns) {
  const Replay replay = golden_replay();
  ASSERT_EQ(golden()["expected"].size(), protocols().size());
  for (const auto& protocol : protocols()) {
    const auto result = score_by(protocol, replay);
    const json& expected = golden()["expected"][std::string(protocol.name)];
    ASSERT_FALSE(expected.is_null()) << protocol.name;
    for (const auto& [name, value] : expected.items()) {
      const double got = value_of(result, name);
      const std::string what = std::string(protocol.name) + " " + name;
      if (value == "inf") {
        EXPECT_TRUE(std::isinf(got)) << what << " is " << got;
      } else {
        EXPECT_NEAR(value.get<double>(), got, 1e-6) << what;
      }
    }
    EXPECT_EQ(result.turns, 17);
    EXPECT_EQ(result.missed, 2);
    EXPECT_EQ(result.spurious, 5);
    EXPECT_EQ(result.absent, 3);
    EXPECT_FALSE(result.rules.empty());
  }
}

TEST(Protocols, CountsOfTheGoldenTurns) {
  const Replay replay = golden_replay();
  const auto strict = score_by(protocol_named("strict"), replay);
  EXPECT_EQ(strict.n, 14);
  EXPECT_EQ(count_of(strict, "empty_reference"), 2);
  EXPECT_EQ(count_of(strict, "volumes"), 2);
  EXPECT_EQ(count_of(strict, "unattributed"), golden()["unattributed"].get<std::int64_t>());
  EXPECT_EQ(count_of(strict, "spacing_unknown"), 6);
  EXPECT_EQ(score_by(protocol_named("monai"), replay).n, 19);
  EXPECT_EQ(count_of(score_by(protocol_named("monai"), replay), "infinite"), 5);
  EXPECT_EQ(score_by(protocol_named("nnunet"), replay).n, 11);
  EXPECT_EQ(score_by(protocol_named("sa2va"), replay).n, 13);
  EXPECT_EQ(strict.intervals.at("dice").groups, 6);
  EXPECT_EQ(strict.intervals.at("dice_by_case").groups, 14);
}

// --- small cases by hand ------------------------------------------------------------

ReplayTurn one_turn(const std::string& id, const std::vector<std::string>& reference,
                    const std::vector<std::string>& predicted) {
  ReplayTurn turn;
  turn.id = turn.image = id;
  turn.subject = id;
  turn.modality = "ct";
  turn.height = 2;
  turn.width = 4;
  if (!reference.empty()) {
    turn.targets = {"lesion"};
    turn.reference = {packed_rows(reference)};
  }
  if (!predicted.empty()) {
    turn.phrases = {"lesion"};
    turn.predicted = {packed_rows(predicted)};
    turn.scores = {1};
  }
  return turn;
}

double metric(const std::string& protocol, const std::vector<ReplayTurn>& turns,
              const std::string& name) {
  return value_of(score_by(protocol_named(protocol), Replay(turns)), name);
}

TEST(Protocols, EmptyAgainstEmptyByHand) {
  const std::vector<ReplayTurn> turns = {one_turn("a", {"....", "...."}, {"....", "...."}),
                                         one_turn("b", {"##..", "...."}, {"##..", "...."})};
  EXPECT_NEAR(metric("lisa", turns, "giou"), (1 + 2 / (2 + 1e-5)) / 2, 1e-12);
  EXPECT_NEAR(metric("biomedparse", turns, "miou"), (0 + 2 / (2 + 1e-6)) / 2, 1e-12);
  EXPECT_NEAR(metric("unibiomed", turns, "mean_iou"), 1 / (1 + 1e-6), 1e-12);  // "a" is skipped
  EXPECT_EQ(metric("monai", turns, "dice_ignore_empty"), 1);
  EXPECT_EQ(metric("monai", turns, "dice_count_empty"), 1);
  EXPECT_EQ(metric("nnunet", turns, "dice"), 1);       // case "a" is NaN and left out
  EXPECT_EQ(metric("glamm-gcg", turns, "miou"), 0.5);  // the empty-empty turn is 0
  EXPECT_EQ(metric("strict", turns, "dice"), 1);
}

TEST(Protocols, AMissByHand) {
  const std::vector<ReplayTurn> turns = {one_turn("a", {"##..", "...."}, {}),
                                         one_turn("b", {"##..", "...."}, {"##..", "...."})};
  EXPECT_NEAR(metric("lisa", turns, "giou"), 0.5, 1e-5);
  EXPECT_EQ(metric("monai", turns, "hd95"), 0) << "MONAI's own mean forgets the miss";
  // Ours: a diagonal of sqrt(2^2 + 4^2) and an exact mask.
  EXPECT_NEAR(metric("strict", turns, "hd95_monai"), std::sqrt(20.0) / 2, 1e-12);
  EXPECT_EQ(metric("strict", turns, "nsd_deepmind"), 0.5);
  auto without = turns;
  without[1] = one_turn("b", {"##..", "...."}, {});
  EXPECT_GT(metric("strict", without, "hd95_monai"), metric("strict", turns, "hd95_monai"))
      << "deleting a prediction must never help";
}

TEST(Protocols, MoreAbsentTurnsMoveTheFalsePositivesAndNotTheMasks) {
  std::vector<ReplayTurn> turns = {one_turn("a", {"##..", "...."}, {"#...", "...."}),
                                   one_turn("b", {"##..", "...."}, {"##..", "...."})};
  turns.push_back(one_turn("c", {}, {}));
  turns.back().asks_absent = true;
  const double dice = metric("strict", turns, "dice"), giou = metric("lisa", turns, "giou");
  EXPECT_EQ(metric("strict", turns, "false_positive_rate"), 0);
  turns.push_back(one_turn("d", {}, {"####", "...."}));
  turns.back().asks_absent = true;
  EXPECT_EQ(metric("strict", turns, "dice"), dice);
  EXPECT_EQ(metric("lisa", turns, "giou"), giou);
  EXPECT_EQ(metric("strict", turns, "false_positive_rate"), 0.5);
  EXPECT_EQ(metric("strict", turns, "false_positive_area"), 0.25);  // (0 + 4/8) / 2
  EXPECT_EQ(metric("strict", turns, "n_acc"), 0.5);
}

TEST(Protocols, AnotherOrderOfTheMasksByHand) {
  ReplayTurn turn = one_turn("a", {"##..", "...."}, {"....", "..##"});
  turn.targets = {"left kidney", "right kidney"};
  turn.reference.push_back(packed_rows({"....", "..##"}));
  turn.predicted.push_back(packed_rows({"##..", "...."}));
  turn.phrases = {"right kidney", "left kidney"};
  turn.scores = {1, 1};
  EXPECT_EQ(metric("lisa", {turn}, "giou"), 0) << "by order all is wrong";
  EXPECT_EQ(metric("strict", {turn}, "dice_matched"), 1);
  EXPECT_EQ(metric("strict", {turn}, "f1_50"), 1);
  EXPECT_EQ(metric("strict", {turn}, "phrase_mask_agreement"), 1);
  EXPECT_EQ(metric("glamm-gcg", {turn}, "recall_exact"), 1);
  EXPECT_NEAR(metric("pixellm", {turn}, "muse_giou"), 1, 1e-5);
}

TEST(Protocols, UniBiomedStopsAfter300Items) {
  std::vector<ReplayTurn> turns(301, one_turn("a", {"##..", "...."}, {"##..", "...."}));
  turns.back() = one_turn("b", {"##..", "...."}, {});
  EXPECT_NEAR(metric("unibiomed", turns, "mean_dice"), 1, 1e-6) << "the last is never looked at";
}

TEST(Protocols, MapsThatAreMissingAreNamed) {
  const Replay replay({one_turn("a", {"##..", "...."}, {"##..", "...."})});
  EXPECT_THAT([&] { score_by(protocol_named("medplib"), replay); },
              ThrowsMessage<DataError>(HasSubstr("--keep-logits")));
  EXPECT_THAT([] { protocol_named("lsia"); },
              ThrowsMessage<ConfigError>(HasSubstr("did you mean \"lisa\"?")));
}

TEST(Protocols, NoTurnHasNoNumber) {
  const Replay nothing({});
  for (const auto& protocol : protocols()) {
    const auto result = score_by(protocol, nothing);
    EXPECT_EQ(result.n, 0) << protocol.name;
    EXPECT_EQ(result.turns, 0);
  }
  EXPECT_TRUE(std::isnan(value_of(score_by(protocol_named("lisa"), nothing), "giou")));
}

TEST(Protocols, SubjectsOfTwoRunsArePaired) {
  const Replay first({one_turn("a", {"##..", "...."}, {"##..", "...."}),
                      one_turn("b", {"##..", "...."}, {"#...", "...."})});
  const Replay second(
      {one_turn("a", {"##..", "...."}, {}), one_turn("b", {"##..", "...."}, {"#...", "...."})});
  const auto differences = subject_differences(case_rows(first), case_rows(second));
  ASSERT_EQ(differences.size(), 2U);
  EXPECT_EQ(differences[0].first - differences[0].second, 1);
  EXPECT_EQ(differences[1].first - differences[1].second, 0);
}

TEST(Protocols, FailuresAreGroupedByTheirCause) {
  const auto failure = [](const ReplayTurn& turn) { return case_rows(Replay({turn}))[0].failure; };
  EXPECT_EQ(failure(one_turn("a", {"##..", "...."}, {})), Failure::kNoSeg);
  EXPECT_EQ(failure(one_turn("a", {"##..", "...."}, {"....", "...."})), Failure::kEmptyMask);
  EXPECT_EQ(failure(one_turn("a", {"##..", "...."}, {"..##", "...."})), Failure::kWrongPlace);
  EXPECT_EQ(failure(one_turn("a", {"##..", "...."}, {".###", "####"})), Failure::kPoorOverlap);
  EXPECT_EQ(failure(one_turn("a", {"##..", "...."}, {"#...", "...."})), Failure::kFound);
  auto turn = one_turn("a", {"##..", "...."}, {"....", "..##"});
  turn.targets.push_back("other");
  turn.reference.push_back(packed_rows({"....", "..##"}));
  EXPECT_EQ(failure(turn), Failure::kWrongStructure);
  turn.failed = true;
  EXPECT_EQ(failure(turn), Failure::kFailed);
}

TEST(Replay, SlicesOfTwoSizesAreRefused) {
  auto a = one_turn("v", {"##..", "...."}, {}), b = one_turn("v", {"##..", "...."}, {});
  a.plane = PlanePosition{2, 1};
  b.plane = PlanePosition{2, 2};
  b.height = 1;
  b.reference = {packed_rows({"##.."})};
  EXPECT_THAT(
      [&] {
        put_together(Replay({a, b}));
      },
      ThrowsMessage<DataError>(HasSubstr("several sizes")));
}

}  // namespace
}  // namespace medseg
