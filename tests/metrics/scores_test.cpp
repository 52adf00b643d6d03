#include "medseg/metrics/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/report/scores_text.h"
#include "medseg/report/table.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

Mask row(const std::string& text) {
  Mask mask(static_cast<int>(text.size()), 1);
  for (std::size_t i = 0; i < text.size(); ++i) mask.pixels[i] = text[i] == '#';
  return mask;
}

ScoredTurn turn_of(const json& item) {
  ScoredTurn turn;
  turn.modality = item["modality"];
  turn.phrasing = item["phrasing"];
  turn.asks_absent = item["asks_absent"];
  for (const auto& [target, mask] :
       item["reference"].get<std::vector<std::pair<std::string, std::string>>>()) {
    turn.targets.push_back(target);
    turn.reference.push_back(row(mask));
  }
  for (const auto& [phrase, mask] :
       item["predicted"].get<std::vector<std::pair<std::string, std::string>>>()) {
    turn.phrases.push_back(phrase);
    turn.predicted.push_back(row(mask));
  }
  return turn;
}

const json& golden() {
  static const json cases =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/cases.json"));
  return cases;
}

Scores golden_scores() {
  ScoreBoard board;
  for (const auto& item : golden()["cases"]) board.add(turn_of(item));
  return board.scores();
}

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

TEST(Scores, EveryCaseOfTheGoldenFile) {
  ASSERT_GE(golden()["cases"].size(), 20U);
  for (const auto& item : golden()["cases"]) {
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
  expect_numbers(golden()["expected"], json::parse(scores_json(golden_scores())), "scores");
}

TEST(Scores, AMissIsCountedAndScoresZero) {
  ScoreBoard board;
  board.add({"ct", "", {"a"}, {row("#.")}, {}, {}, false});
  EXPECT_EQ(board.scores().missed, 1);
  EXPECT_EQ(board.scores().giou, 0.0);
  EXPECT_EQ(board.scores().seg_count_accuracy, 0.0);
  EXPECT_TRUE(board.scores().by_phrasing.empty());
}

TEST(Scores, AFalsePositiveNeverMovesTheOverlap) {
  ScoreBoard board;
  board.add({"ct", "", {"a"}, {row("#.")}, {"a"}, {row("#.")}, false});
  const double before = board.scores().giou;
  board.add({"ct", "", {}, {}, {"b"}, {row("##")}, true});
  EXPECT_EQ(board.scores().giou, before);
  EXPECT_EQ(board.scores().false_positive_rate, 1.0);
  EXPECT_EQ(board.scores().spurious, 1);
}

TEST(Scores, NoTurnIsNullInJson) {
  const auto empty = json::parse(scores_json(ScoreBoard().scores()));
  EXPECT_EQ(empty["n"], 0);
  EXPECT_TRUE(empty["metrics"]["giou"].is_null());
  EXPECT_TRUE(empty["metrics"]["false_positive_rate"].is_null());
}

TEST(Table, HasEveryTargetAndTheSharesAndTheBaselines) {
  const auto scores = json::parse(scores_json(golden_scores()));
  const json baselines = {{"mean_mask", scores}, {"true_box", scores}};
  const std::string text = benchmark_table({{"run", scores, baselines}}, TableFormat::kMarkdown);
  for (const char* row :
       {"| skull ", "| tumour ", "| mean over targets ", "| gIoU ", "| cIoU ", "| modality ct ",
        "| phrasing unseen ", "| [SEG] count exact ", "| right name ",
        "| false positives on absent turns ", "| unseen phrasing gIoU ", "mean mask", "true box"}) {
    EXPECT_THAT(text, HasSubstr(row));
  }
  EXPECT_THAT(text, Not(HasSubstr("nearest slice")));
  EXPECT_THAT(scores_table(golden_scores()), HasSubstr("protocol lisa: n 23"));
}

TEST(Table, CsvQuotesAndLatexEscapes) {
  json scores = json::parse(scores_json(golden_scores()));
  scores["by_target"] = {{"a, \"b\" & 5%", {{"n", 1}, {"dice", 0.5}, {"giou", 0.25}}}};
  EXPECT_THAT(benchmark_table({{"r", scores, nullptr}}, TableFormat::kCsv),
              HasSubstr("\"a, \"\"b\"\" & 5%\",1,0.500,0.250"));
  EXPECT_THAT(benchmark_table({{"r", scores, nullptr}}, TableFormat::kLatex),
              HasSubstr("\\& 5\\%"));
  EXPECT_THROW(table_format("word"), ConfigError);
}

TEST(Table, TwoRunsStandSideBySide) {
  const auto scores = json::parse(scores_json(golden_scores()));
  const std::string text =
      benchmark_table({{"one", scores, nullptr}, {"two", scores, nullptr}}, TableFormat::kCsv);
  EXPECT_THAT(text, HasSubstr(",n,Dice one,gIoU one,Dice two,gIoU two\n"));
}

}  // namespace
}  // namespace medseg
