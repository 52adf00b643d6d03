// `medseg score`, `compare`, `table` and `report` on saved predictions, as their user meets them:
// no model is needed.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/image/rle.h"
#include "support/run_cli.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr int kWidth = 16, kHeight = 12;

Mask box(int x0, int y0, int x1, int y1) {
  Mask mask(kWidth, kHeight);
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) mask.pixels[static_cast<std::size_t>(y * kWidth + x)] = 1;
  }
  return mask;
}

const Mask kLeft = box(1, 2, 5, 9), kRight = box(10, 2, 15, 9);

json drawn(const std::vector<Mask>& masks) {
  auto list = json::array();
  for (const auto& mask : masks) {
    const Rle rle = encode_rle(mask);
    list.push_back({{"rle", {{"size", {rle.height, rle.width}}, {"counts", rle.counts}}}});
  }
  return list;
}

class ScoreCommand : public TempFolderTest {
 protected:
  void SetUp() override {
    write_png(folder_ / "image.png",
              Image{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 100)});
    write_png(folder_ / "left.png", kLeft);
    write_png(folder_ / "right.png", kRight);
    write_manifest({});
  }

  // Two records: both kidneys in one turn; one kidney, and one that is absent.
  void write_manifest(const json& ignored) const {
    json both = record("both", "s1");
    both["masks"] = {{"l", {{"label", "left kidney"}, {"file", "left.png"}}},
                     {"r", {{"label", "right kidney"}, {"file", "right.png"}}}};
    if (!ignored.empty()) both["masks"]["i"] = ignored;
    both["conversations"] = {
        {{"from", "human"}, {"value", "<image>\nWhat is seen?"}},
        {{"from", "gpt"},
         {"value", "<p> left kidney </p> [SEG] and <p> right kidney </p> [SEG]."},
         {"masks", {"l", "r"}}}};
    json one = record("one", "s2");
    one["masks"] = {{"l", {{"label", "left kidney"}, {"file", "left.png"}}}};
    one["absent"] = {"cyst"};
    one["conversations"] = {
        {{"from", "human"}, {"value", "<image>\nWhat is seen?"}},
        {{"from", "gpt"}, {"value", "<p> left kidney </p> [SEG]."}, {"masks", {"l"}}},
        {{"from", "human"}, {"value", "A cyst?"}},
        {{"from", "gpt"}, {"value", "Not seen."}}};
    write_file(folder_ / "manifest.jsonl", both.dump() + "\n" + one.dump() + "\n");
  }

  static json record(const std::string& id, const std::string& subject) {
    return {{"id", id},        {"image", "image.png"}, {"modality", "ct"},
            {"split", "test"}, {"subject", subject},   {"spacing_mm", {0.5, 2.0}}};
  }

  std::string predictions(const std::string& name, const std::vector<json>& lines) const {
    std::string text;
    for (const auto& line : lines) text += line.dump() + "\n";
    std::filesystem::create_directories(folder_ / name);
    write_file(folder_ / name / "predictions.jsonl", text);
    return (folder_ / name / "predictions.jsonl").string();
  }

  static std::vector<json> perfect() {
    return {{{"id", "both"},
             {"turn", 0},
             {"phrases", {"left kidney", "right kidney"}},
             {"masks", drawn({kLeft, kRight})}},
            {{"id", "one"}, {"turn", 0}, {"masks", drawn({kLeft})}},
            {{"id", "one"}, {"turn", 1}, {"masks", json::array()}}};
  }

  Outcome run(std::vector<std::string> words) const {
    words.insert(words.end(), {"--data", (folder_ / "manifest.jsonl").string()});
    return run_words(words);
  }

  json scored(std::vector<std::string> words) const {
    words.insert(words.begin(), "score");
    words.push_back("--json");
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }
};

TEST_F(ScoreCommand, PredictionsOfAnotherToolNeedIdTurnAndMasksAlone) {
  const auto file = predictions("a", perfect());
  EXPECT_NEAR(scored({file})["metrics"]["giou"].get<double>(), 1, 1e-6);
  auto lists = perfect();
  lists[1]["masks"][0]["rle"]["counts"] = {kWidth * kHeight};
  const auto result = scored({predictions("b", lists)});
  EXPECT_NEAR(result["metrics"]["giou"].get<double>(), 2.0 / 3, 1e-6);
  for (const json& turn : {json(0.7), json(-1), json("0")}) {
    auto bad = perfect();
    bad[0]["turn"] = turn;
    const auto outcome = run({"score", predictions("c", bad)});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.err, HasSubstr("predictions.jsonl:1: turn: expected a whole number"));
  }
}

TEST_F(ScoreCommand, EveryProtocolOnOneFile) {
  const auto outcome = run({"score", predictions("a", perfect()), "--protocol", "all", "--json"});
  EXPECT_EQ(outcome.code, 0);
  std::vector<std::string> names;
  for (const auto& line : split(trim(outcome.out), '\n'))
    names.push_back(json::parse(line)["protocol"]);
  EXPECT_EQ(names.size(), 11U);
  EXPECT_THAT(names, testing::Contains("strict"));
  EXPECT_THAT(names, Not(testing::Contains("medplib")));
  EXPECT_THAT(outcome.err, HasSubstr("--keep-logits"));
  const auto alone = run({"score", predictions("a", perfect()), "--protocol", "medplib"});
  EXPECT_EQ(alone.code, 3);
  EXPECT_THAT(alone.err, HasSubstr("--keep-logits"));
}

TEST_F(ScoreCommand, ProbabilityMapsAreReadBesideThePredictions) {
  auto lines = perfect();
  Image map{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 25)};
  for (std::size_t i = 0; i < map.pixels.size(); ++i) {
    if (kLeft.pixels[i] != 0) map.pixels[i] = 26;
  }
  for (auto& line : lines) {
    for (auto& mask : line["masks"]) mask["probability"] = "map.png";
  }
  const auto file = predictions("a", lines);
  write_png(folder_ / "a/map.png", map);
  const auto result = scored({file, "--protocol", "medplib"});
  EXPECT_NEAR(result["metrics"]["miou"].get<double>(), 2.0 / 3, 1e-12) << "all maps show the left";
}

TEST_F(ScoreCommand, MasksInAnotherOrderAreMatched) {
  auto lines = perfect();
  lines[0]["masks"] = drawn({kRight, kLeft});
  lines[0]["phrases"] = {"right kidney", "left kidney"};
  const auto result = scored({predictions("a", lines), "--protocol", "strict"});
  EXPECT_NEAR(result["metrics"]["dice"].get<double>(), 1.0 / 3, 1e-12);
  EXPECT_EQ(result["metrics"]["dice_matched"], 1);
  EXPECT_EQ(result["metrics"]["phrase_mask_agreement"], 1);
}

TEST_F(ScoreCommand, AMaskOfKindIgnoreCountsNeitherWay) {
  auto lines = perfect();
  lines[0]["masks"] = drawn({box(1, 2, 8, 9), kRight});
  const auto file = predictions("a", lines);
  EXPECT_LT(scored({file, "--protocol", "strict"})["metrics"]["iou"].get<double>(), 1);
  write_png(folder_ / "ring.png", box(5, 0, 9, kHeight));
  write_manifest({{"label", "ignored"}, {"file", "ring.png"}, {"kind", "ignore"}});
  EXPECT_EQ(scored({file, "--protocol", "strict"})["metrics"]["iou"], 1);
  EXPECT_NEAR(scored({file})["metrics"]["giou"].get<double>(), 1, 1e-6);
}

TEST_F(ScoreCommand, MasksOfAFolderStandInTheSameTable) {
  std::filesystem::create_directories(folder_ / "masks/both");
  write_png(folder_ / "masks/both-left kidney.png", kLeft);
  write_png(folder_ / "masks/both/right kidney.png", kLeft);
  write_png(folder_ / "masks/one-cyst.png", kLeft);
  const auto result = scored({"--masks", (folder_ / "masks").string(), "--protocol", "strict"});
  EXPECT_EQ(result["n"], 3);
  EXPECT_NEAR(result["metrics"]["dice"].get<double>(), 1.0 / 3, 1e-12);
  EXPECT_EQ(result["missed"], 1);
  EXPECT_EQ(result["metrics"]["false_positive_rate"], 1);
  std::filesystem::create_directories(folder_ / "none");
  EXPECT_EQ(run({"score", "--masks", (folder_ / "none").string()}).code, 3);
  EXPECT_EQ(run({"score"}).code, 2);
}

TEST_F(ScoreCommand, TwoRunsAreCompared) {
  auto worse = perfect();
  worse[1]["masks"] = json::array();
  const auto a = predictions("a", perfect()), b = predictions("b", worse);
  const auto compared = scored({a, "--against", b})["compare"];
  EXPECT_EQ(compared["difference"], 0.5);
  const auto outcome =
      run({"compare", (folder_ / "a").string(), (folder_ / "b").string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto whole = json::parse(outcome.out);
  EXPECT_EQ(whole["subjects"], 2);
  EXPECT_EQ(whole["permutation_p"], compared["permutation_p"]);
  EXPECT_EQ(whole["by_target"]["left kidney"]["difference"], 0.5);
  EXPECT_THAT(run({"compare", a, b}).out, HasSubstr("left kidney"));
}

TEST_F(ScoreCommand, OneRowACase) {
  const auto csv = (folder_ / "cases.csv").string();
  scored({predictions("a", perfect()), "--per-case", csv});
  EXPECT_THAT(read_file(csv), HasSubstr("both,0,1,right kidney,ct,s1,found,1.000000,"));
}

TEST_F(ScoreCommand, TableTakesReferencesAndBaselinesAlone) {
  predictions("a", perfect());
  const auto lisa = scored({(folder_ / "a/predictions.jsonl").string()});
  write_file(folder_ / "a/scores.json", lisa.dump());
  write_file(folder_ / "paper.json",
             R"([{"name": "Paper", "source": "table 3", "metrics": {"giou": 0.5}}])");
  const auto table = run_words({"table", (folder_ / "a").string(), "--format", "latex",
                                "--reference", (folder_ / "paper.json").string()});
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("\nPaper (table 3) & "));
  EXPECT_THAT(table.out, HasSubstr("{[}SEG] count exact"));
  std::filesystem::create_directories(folder_ / "baselines");
  write_file(folder_ / "baselines/baselines.json", json({{"mean_mask", lisa}}).dump());
  const auto alone = run_words({"table", (folder_ / "baselines").string()});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("| left kidney "));
  EXPECT_THAT(alone.out, HasSubstr("| mean mask (told the target) "));
  write_file(folder_ / "a/scores.json", lisa.dump() + "\n" + lisa.dump() + "\n");
  EXPECT_EQ(run_words({"table", (folder_ / "a").string()}).code, 0) << "lines of score --json";
  const auto strict = run_words({"table", (folder_ / "a").string(), "--protocol", "strict"});
  EXPECT_EQ(strict.code, 3);
  EXPECT_THAT(strict.err, HasSubstr("no scores of protocol strict, found lisa, lisa"));
  EXPECT_EQ(run_words({"table", (folder_ / "a").string(), "--protocol", "lisaa"}).code, 2);
}

TEST_F(ScoreCommand, AnEvaluationThatSaysWhatItAskedNeedsNoManifest) {
  const auto described = [&](const std::string& name, const std::string& model, int seed) {
    write_file(folder_ / name / "evaluation.json",
               json({{"manifest", (folder_ / "manifest.jsonl").string()},
                     {"split", "test"},
                     {"model", model},
                     {"mode", "generate"},
                     {"history", "own"},
                     {"seed", seed},
                     {"decoding", "greedy"},
                     {"precision", "fp32"},
                     {"records", 2},
                     {"quarantined", json::array()},
                     {"leakage", {{"statement", "0 of 1 test pictures were trained on"}}}})
                   .dump());
  };
  predictions("a", perfect());
  described("a", "runs/a/best", 0);
  auto worse = perfect();
  worse[1]["masks"] = json::array();
  predictions("b", worse);
  described("b", "runs/b/best", 1);
  const std::string a = (folder_ / "a").string(), b = (folder_ / "b").string();
  const auto score = run_words({"score", a, "--json"});
  ASSERT_EQ(score.code, 0) << score.err;
  EXPECT_NEAR(json::parse(score.out)["metrics"]["giou"].get<double>(), 1, 1e-6);
  const auto compared = run_words({"compare", a, b, "--json"});
  ASSERT_EQ(compared.code, 0) << compared.err;
  EXPECT_EQ(json::parse(compared.out)["difference"], 0.5);
  const auto table = run_words({"table", a, "Mine=" + b, "--format", "text"});
  ASSERT_EQ(table.code, 0) << table.err;
  for (const char* text : {"decoding: greedy", "seed: 0 (runs/a/best on ", "precision: fp32",
                           "0 of 1 test pictures were trained on", "runs/a/best  ", "Mine  ",
                           "1.000 (1.000 to 1.000)*"})
    EXPECT_THAT(table.out, HasSubstr(text));
  const auto report = run_words({"report", a, b});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_THAT(read_file(folder_ / "a/report.html"), HasSubstr("<td>greedy</td>"));
  std::filesystem::rename(folder_ / "manifest.jsonl", folder_ / "moved.jsonl");
  const auto gone = run_words({"score", a});
  EXPECT_EQ(gone.code, 2);
  EXPECT_THAT(gone.err, HasSubstr("which is not there"));
  write_file(folder_ / "a/evaluation.json", "[]");
  EXPECT_EQ(run_words({"score", a}).code, 3);
}

TEST_F(ScoreCommand, RunsOfDifferentRecordsAreComparedOnWhatBothAnswered) {
  const auto a = predictions("a", perfect());
  auto fewer = perfect();
  fewer.erase(fewer.begin());  // without record "both", which holds two references
  write_file(folder_ / "b/evaluation.json",
             json({{"manifest", (folder_ / "manifest.jsonl").string()}}).dump());
  predictions("b", fewer);
  const auto text = run({"compare", a, (folder_ / "b").string()});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("references that both answered: 1; left out: 2 of the first "
                                  "alone, 0 of the second alone\n"));
  EXPECT_THAT(text.err, HasSubstr("1 of 3 turns have no prediction and are left out"));
  const auto compared = json::parse(run({"compare", a, (folder_ / "b").string(), "--json"}).out);
  EXPECT_EQ(compared["subjects"], 1);
  EXPECT_EQ(compared["cases"]["only_first"], 2);
}

TEST_F(ScoreCommand, ThresholdsAreChosenAndApplied) {
  auto lines = perfect();
  lines[0]["masks"][0]["score"] = 0.9;
  lines[0]["masks"][1]["score"] = 0.8;
  lines[1]["masks"][0]["score"] = 0.7;
  lines[2]["masks"] = drawn({kLeft});
  lines[2]["masks"][0]["score"] = 0.3;
  const auto file = predictions("a", lines);
  const auto chosen = run({"score", file, "--choose-thresholds", "--json"});
  ASSERT_EQ(chosen.code, 0) << chosen.err;
  const auto thresholds = json::parse(chosen.out)["thresholds"];
  EXPECT_EQ(thresholds["mask_score"], 0.5);
  EXPECT_EQ(thresholds["right"], 1);
  EXPECT_EQ(thresholds["right_without"], 0.75);
  EXPECT_THAT(chosen.err, HasSubstr("chosen on split test"));
  EXPECT_EQ(scored({file})["metrics"]["false_positive_rate"], 1);
  const auto applied = scored({file, "--threshold", "0.5"});
  EXPECT_EQ(applied["metrics"]["false_positive_rate"], 0);
  EXPECT_EQ(applied["mask_score_threshold"], 0.5);
  EXPECT_THAT(applied["rules"], HasSubstr("a score below 0.5 (given) are not drawn"));
  EXPECT_EQ(run({"score", file, "--threshold", "1.5"}).code, 2);
  EXPECT_EQ(run({"score", file, "--threshold", "half"}).code, 2);
  EXPECT_EQ(run({"score", file, "--store", (folder_ / "a").string()}).code, 2);
  EXPECT_EQ(run({"score", file, "--choose-thresholds", "--threshold", "0.5"}).code, 2);
  EXPECT_EQ(run({"score", file, "--threshold", folder_.string()}).code, 4) << "no bundle";
}

TEST_F(ScoreCommand, ALabelOf255IsNotTakenInSilence) {
  Image label{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 0)};
  for (std::size_t i = 0; i < label.pixels.size(); ++i) label.pixels[i] = kLeft.pixels[i];
  label.pixels[0] = 255;
  write_png(folder_ / "left.png", label);
  const auto outcome = run({"score", predictions("a", perfect())});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("\"ignore\": 255"));
}

TEST_F(ScoreCommand, ReportOfAnEvaluationIsOnePage) {
  predictions("a", perfect());
  auto worse = perfect();
  worse[0]["masks"] = drawn({kRight});
  predictions("b", worse);
  const auto outcome = run({"report", (folder_ / "a").string(), (folder_ / "b").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, (folder_ / "a/report.html").string() + "\n");
  const auto page = read_file(folder_ / "a/report.html");
  EXPECT_THAT(page, HasSubstr("data:image/png;base64,"));
  EXPECT_THAT(page, HasSubstr("Worst cases of"));
  EXPECT_THAT(page, HasSubstr("permutation p"));
}

}  // namespace
}  // namespace medseg
