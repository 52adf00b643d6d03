// A run made visible: events and pictures follow metrics.jsonl, over resumes and full disks.
#include "medseg/training/run_view.h"

#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/trainer.h"
#include "support/event_reader.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

class RunViewTest : public TinyRun {
 protected:
  TrainConfig watched(std::int64_t steps) const {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    options.train.steps = steps;
    options.train.evaluate_every = options.train.save_every = 2;
    return options;
  }

  void run(const TrainConfig& options, const std::string& name, bool resume = false) const {
    train(options, {.out = root_ / name, .resume = resume, .command = "test"});
  }

  /// What metrics.jsonl says, as the events should.
  std::map<std::string, std::map<std::int64_t, float>> expected(const std::string& name) const {
    std::map<std::string, std::map<std::int64_t, float>> scalars;
    for (const auto& text : split(read_file(root_ / name / "metrics.jsonl"), '\n')) {
      if (text.empty()) continue;
      const auto line = nlohmann::json::parse(text);
      const std::string group = line.contains("split")
                                    ? "evaluation/" + line["split"].get<std::string>() + "/"
                                    : "train/";
      for (const auto& [key, value] : line.items()) {
        if (value.is_number() && key != "step")
          scalars[group + key][line["step"].get<std::int64_t>()] = value.get<float>();
      }
    }
    return scalars;
  }
};

TEST_F(RunViewTest, EventsSayWhatMetricsSay) {
  run(watched(5), "a");
  const auto scalars = read_scalars(root_ / "a");
  EXPECT_EQ(scalars, expected("a"));
  EXPECT_EQ(scalars.at("train/loss").size(), 5U);
  EXPECT_EQ(scalars.at("evaluation/val/dice").size(), 3U);  // after 2, 4 and the last
}

TEST_F(RunViewTest, AResumeFromAnEarlierStepSupersedesWhatWasLost) {
  run(watched(4), "a");
  fs::remove_all(root_ / "a/checkpoints/step-00000004");
  run(watched(6), "a", /*resume=*/true);
  EXPECT_EQ(read_scalars(root_ / "a"), expected("a"));
  run(watched(6), "whole");
  EXPECT_EQ(read_scalars(root_ / "a").at("train/loss"),
            read_scalars(root_ / "whole").at("train/loss"));
}

TEST_F(RunViewTest, ARunWithoutEventsIsToldFromItsBeginning) {
  run(watched(2), "a");
  for (const auto& entry : fs::directory_iterator(root_ / "a")) {
    if (EventFile::is_event_file(entry.path())) fs::remove(entry.path());
  }
  run(watched(4), "a", /*resume=*/true);
  EXPECT_EQ(read_scalars(root_ / "a"), expected("a"));
}

TEST_F(RunViewTest, AnEvaluationThatIsOwedComesOnce) {
  run(watched(2), "a");
  RunView view(root_ / "a");
  RunFolder folder(root_ / "a");
  folder.rewind(2, /*owes_evaluation=*/true);
  view.begin(2, /*owes_evaluation=*/true, write_options(watched(2)));
  EXPECT_EQ(read_scalars(root_ / "a").at("train/loss"), expected("a").at("train/loss"));
  EXPECT_TRUE(read_scalars(root_ / "a").at("evaluation/val/dice").empty());
  EXPECT_FALSE(fs::exists(root_ / "a/answers"));
}

TEST_F(RunViewTest, AnswersArePicturesWithTheirWords) {
  auto options = watched(2);
  options.train.show_answers = 1;
  options.data.validation.push_back({(root_ / "data/manifest.jsonl").string(), "train", 1.0});
  run(options, "a");
  const auto answers = nlohmann::json::parse(read_file(root_ / "a/answers/answers.json"));
  EXPECT_EQ(answers["step"], 2);
  ASSERT_EQ(answers["answers"].size(), 2U);
  const auto& first = answers["answers"][0];
  EXPECT_EQ(first["split"], "val");
  EXPECT_EQ(first["id"], "p6");
  EXPECT_EQ(first["expected"], "A <p> box </p> [SEG].");
  const auto picture = read_image(root_ / "a/answers" / first["picture"].get<std::string>());
  EXPECT_EQ(picture.channels, 3);
  EXPECT_EQ(picture.width, 2 * 40 * 8);  // two, each enlarged until its short side is 256 or more

  std::set<std::string> pictures, texts;
  for (const auto& entry : fs::directory_iterator(root_ / "a")) {
    if (!EventFile::is_event_file(entry.path())) continue;
    for (const auto& event : read_events(entry.path())) {
      if (!event.has(5)) continue;
      const auto value = event.message(5).message(1);
      if (value.has(4)) pictures.insert(value.text(1));
      if (value.has(8) && value.message(9).message(1).text(1) == "text")
        texts.insert(value.text(1));
    }
  }
  EXPECT_EQ(pictures, (std::set<std::string>{"answers/val/1", "answers/train/1"}));
  EXPECT_EQ(texts, (std::set<std::string>{"config", "answers/val/1/text", "answers/train/1/text"}));

  options.train.show_answers = 0;
  run(options, "b");
  EXPECT_FALSE(fs::exists(root_ / "b/answers"));
}

TEST_F(RunViewTest, ThePageIsThereOnceTheRunIsAndAfterAFault) {
  run(watched(2), "a");
  const auto page = read_file(root_ / "a/run.html");
  EXPECT_NE(page.find("<b>done</b>state"), std::string::npos);
  EXPECT_NE(page.find("<b>2 of 2</b>steps"), std::string::npos);
  EXPECT_NE(page.find("Answers after step 2"), std::string::npos);
  write_start(root_ / "start", true, std::numeric_limits<double>::quiet_NaN());
  EXPECT_THROW(run(watched(2), "b"), RunStopped);
  EXPECT_NE(read_file(root_ / "b/run.html").find("stopped: step 1: loss_bce is nan"),
            std::string::npos);
}

TEST_F(RunViewTest, ItChangesNoNumber) {
  auto options = watched(4);
  run(options, "shown");
  options.train.show_answers = 0;
  run(options, "plain");
  EXPECT_EQ(metrics("shown"), metrics("plain"));
  EXPECT_EQ(read_file(root_ / "shown/last/model.safetensors"),
            read_file(root_ / "plain/last/model.safetensors"));
}

TEST_F(RunViewTest, TwoSourcesWithOneSplitStayApart) {
  fs::copy(root_ / "data", root_ / "other", fs::copy_options::recursive);
  auto options = watched(2);
  const auto other = (root_ / "other/manifest.jsonl").string();
  options.data.validation.push_back({other, "val", 1.0});
  run(options, "a");
  EXPECT_TRUE(read_scalars(root_ / "a").contains("evaluation/val " + other + "/dice"));
}

TEST_F(RunViewTest, WhatCannotBeWrittenDoesNotCostTheRun) {
  run(watched(2), "a");
  fs::remove_all(root_ / "a/answers");
  write_file(root_ / "a/answers/mine.txt", "a person's");
  ::testing::internal::CaptureStderr();
  run(watched(4), "a", /*resume=*/true);
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("a/answers"), std::string::npos) << said;
  EXPECT_EQ(metrics("a").size(), 6U);
  EXPECT_EQ(read_file(root_ / "a/answers/mine.txt"), "a person's");
}

}  // namespace
}  // namespace medseg::tiny
