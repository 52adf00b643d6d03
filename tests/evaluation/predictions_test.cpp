#include "medseg/evaluation/predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/evaluation/baselines.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/report/scores_text.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Prediction prediction(const std::string& id, int turn, const std::vector<Mask>& masks) {
  Prediction made{.id = id,
                  .turn = turn,
                  .question = "Q \"é\"",
                  .text = "The <p> skull </p> [SEG].",
                  .phrases = {"skull"},
                  .masks = {},
                  .finish = Finish::kEos,
                  .new_tokens = 7,
                  .seconds = 0.25};
  for (const auto& mask : masks) made.masks.push_back({encode_rle(mask), 0.5, 0.75, 0.375});
  return made;
}

class Predictions : public testing::Test {
 protected:
  Predictions() : manifest_(Manifest::read(write_tiny_data(scratch_ / "data"))) {}

  std::vector<Prediction> perfect() const {
    const Mask truth = tiny_mask(32, 24, 2);
    return {prediction("test-1", 0, {truth}), prediction("test-2", 0, {truth}),
            prediction("test-2", 1, {})};
  }
  void expect_bad_line(const std::string& line, const std::string& what) {
    write_file(scratch_ / "p.jsonl", to_json_line(perfect()[0]) + "\n" + line + "\n");
    EXPECT_THAT(
        [&] { read_predictions(scratch_ / "p.jsonl"); },
        ThrowsMessage<DataError>(testing::AllOf(HasSubstr("p.jsonl:2: "), HasSubstr(what))));
  }

  TempFolder scratch_{"predictions"};
  Manifest manifest_;
};

TEST_F(Predictions, ComeBackFromTheirLines) {
  std::string lines;
  for (const auto& made : perfect()) lines += to_json_line(made) + "\n";
  write_file(scratch_ / "p.jsonl", lines);
  const auto read = read_predictions(scratch_ / "p.jsonl");
  ASSERT_EQ(read.size(), 3U);
  for (std::size_t i = 0; i < read.size(); ++i)
    EXPECT_EQ(to_json_line(read[i]), to_json_line(perfect()[i]));
  EXPECT_EQ(decode_rle(read[0].masks.at(0).rle), tiny_mask(32, 24, 2));
}

TEST_F(Predictions, BadLinesAreNamed) {
  expect_bad_line("{\"id\": ", "not JSON");
  expect_bad_line("{\"id\": \"a\"}", "not a prediction");
  expect_bad_line(
      R"({"id": "a", "turn": "0", "question": "", "text": "", "phrases": [], "masks": []})",
      "number");
  expect_bad_line(R"({"id": "a", "turn": 0, "question": "", "text": "", "phrases": [],)"
                  R"( "masks": [{"rle": {"size": [4], "counts": "0"}}]})",
                  "height, width");
  expect_bad_line(R"({"id": "a", "turn": 0, "question": "", "text": "", "phrases": [],)"
                  R"( "masks": [{"rle": {"size": [4, 4], "counts": "0"}}]})",
                  "");
}

TEST_F(Predictions, PerfectOnesScoreOne) {
  const Scores scores = score_predictions(perfect(), manifest_, "test");
  EXPECT_EQ(scores.n, 2);
  EXPECT_EQ(scores.turns, 3);
  EXPECT_EQ(scores.absent, 1);
  EXPECT_NEAR(scores.giou, 1.0, 1e-6);
  EXPECT_EQ(scores.seg_count_accuracy, 1.0);
  EXPECT_EQ(scores.name_accuracy, 1.0);
  EXPECT_EQ(scores.false_positive_rate, 0.0);
  EXPECT_EQ(scores.by_phrasing.at("unseen").n, 1);
}

TEST_F(Predictions, AMaskOnTheAbsentTurnIsAFalsePositive) {
  auto made = perfect();
  made[2] = prediction("test-2", 1, {Mask(32, 24)});
  const Scores scores = score_predictions(made, manifest_, "test");
  EXPECT_EQ(scores.false_positive_rate, 1.0);
  EXPECT_EQ(scores.spurious, 1);
  EXPECT_NEAR(scores.giou, 1.0, 1e-6);
}

TEST_F(Predictions, WhatDoesNotFitTheManifestIsRefused) {
  const auto refused = [&](std::vector<Prediction> made, const std::string& what) {
    EXPECT_THAT([&] { score_predictions(made, manifest_, "test"); },
                ThrowsMessage<DataError>(HasSubstr(what)));
  };
  auto made = perfect();
  made.push_back(prediction("nobody", 0, {}));
  refused(made, "no such turn: prediction nobody");
  made.back() = prediction("test-1", 1, {});
  refused(made, "no such turn: prediction test-1 turn 1");
  made.back() = prediction("test-1", 0, {});
  refused(made, "predicted twice");
  made.pop_back();
  made.pop_back();
  refused(made, "manifest.jsonl:4: test-2 turn 1: not predicted");
  EXPECT_EQ(score_predictions(made, manifest_, "test", /*partial=*/true).turns, 2);
  made = perfect();
  made[0] = prediction("test-1", 0, {Mask(24, 32)});
  refused(made, "24x32");
  EXPECT_THROW(score_predictions({}, manifest_, "tset"), DataError);
}

TEST_F(Predictions, EvaluationAsksEveryTurnAndEncodesEachPictureOnce) {
  const auto bundle = tiny_bundle();
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 24);
  EvaluationOptions options;
  options.generation.max_new_tokens = 6;
  options.precision = at::kFloat;
  options.show_progress = false;
  const Evaluation evaluation = evaluate(bundle, manifest_, "test", cache, options);
  ASSERT_EQ(evaluation.predictions.size(), 3U);
  EXPECT_EQ(evaluation.predictions[2].id, "test-2");
  EXPECT_EQ(evaluation.predictions[2].turn, 1);
  EXPECT_EQ(evaluation.predictions[2].question, "Is there a tumour?");
  EXPECT_EQ(cache.counts().computed, 1U) << "both records show the same slice";

  std::string lines;
  for (const auto& made : evaluation.predictions) lines += to_json_line(made) + "\n";
  write_file(scratch_ / "p.jsonl", lines);
  const auto again = score_predictions(read_predictions(scratch_ / "p.jsonl"), manifest_, "test");
  EXPECT_EQ(scores_json(again), scores_json(evaluation.scores));

  options.limit = 1;
  EXPECT_EQ(evaluate(bundle, manifest_, "test", cache, options).predictions.size(), 1U);
}

TEST_F(Predictions, BaselinesAreToldTheTarget) {
  const auto bundle = tiny_bundle();
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 24);
  const Baselines baselines =
      score_baselines(manifest_, "train", "test", &bundle, &cache, at::kFloat);
  // Slice 4 (square at x = 8 … 16) is nearest to slice 2 (9 … 17): 8 of 9 columns in common.
  EXPECT_NEAR(baselines.nearest_slice.dice, 2.0 * 72 / (81 + 81), 1e-6);
  // The mean of 6 … 14 and 9 … 17 is above 0.5 where both are: 9 … 14.
  EXPECT_NEAR(baselines.mean_mask.dice, 2.0 * 54 / (54 + 81), 1e-6);
  ASSERT_TRUE(baselines.true_box.has_value());
  EXPECT_EQ(baselines.true_box->n, 2);
  EXPECT_EQ(baselines.mean_mask.false_positive_rate, 0.0);
  EXPECT_FALSE(score_baselines(manifest_, "train", "test", nullptr, nullptr, at::kFloat)
                   .true_box.has_value());
}

TEST_F(Predictions, TheMeanMaskFallsBackToTheBestThreshold) {
  std::string lines = read_file(scratch_ / "data/manifest.jsonl");
  for (int slice = 7; slice < 10;
       ++slice) {  // two training dots apart: nothing is covered by more than a half
    const std::string number = std::to_string(slice);
    write_png(scratch_ / ("data/images/slice-" + number + ".png"), tiny_picture(32, 24));
    Mask mask(32, 24);
    mask.pixels[static_cast<std::size_t>(slice == 9 ? 7 : slice)] = 1;
    write_png(scratch_ / ("data/masks/slice-" + number + ".png"), mask);
    lines += R"({"id": "t)" + number + R"(", "image": "images/slice-)" + number +
             R"(.png", "modality": "mr", "subject": "s2", "split": ")" +
             (slice == 9 ? "test2" : "train") +
             R"(", "split_unit": "slab", "slice": {"axis": 2, "index": )" + number +
             R"(}, "masks": {"m0": {"label": "dot", "file": "masks/slice-)" + number +
             R"(.png"}}, "conversations": [{"from": "human", "value": "<image>\nWhere?"}, )" +
             R"({"from": "gpt", "value": "<p> dot </p> [SEG]", "masks": ["m0"]}]})" + "\n";
  }
  write_file(scratch_ / "data/manifest.jsonl", lines);
  const auto manifest = Manifest::read(scratch_ / "data/manifest.jsonl");
  const Baselines baselines =
      score_baselines(manifest, "train", "test2", nullptr, nullptr, at::kFloat);
  EXPECT_EQ(baselines.mean_mask.n, 1);
  EXPECT_NEAR(baselines.mean_mask.dice, 2.0 / 3, 1e-6) << "both dots are the answer, one is right";
  EXPECT_EQ(baselines.nearest_slice.dice, 0.0) << "slice 8 is nearest";
}

}  // namespace
}  // namespace medseg
