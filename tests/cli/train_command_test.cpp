// `medseg config` and `medseg train` with faulty input.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/run_cli.h"

namespace medseg {
namespace {

Outcome run(std::vector<std::string> words) { return run_words(std::move(words)); }

class TrainCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file(config_, R"({
      // The shortest config.
      "model": "nowhere/bundle",
      "data": {"train": [{"manifest": "nowhere/manifest.jsonl"}]}
    })");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / str_cat("medseg-train-command-", ::getpid());
  std::filesystem::path config_ = folder_ / "least.json";
};

TEST_F(TrainCommand, ShowsTheEffectiveConfig) {
  const auto outcome = run({"config", "show", "--set", "train.steps=300", config_.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("\"steps\": 300"), std::string::npos);
  EXPECT_NE(outcome.out.find("\"dice\": 0.5"), std::string::npos);
}

TEST_F(TrainCommand, AnUnknownKeyIsOneLineAndExitCode2) {
  for (const auto& words : {std::vector<std::string>{"config", "show"}, {"train"}}) {
    auto all = words;
    all.insert(all.end(), {config_.string(), "--set", "train.stepps=300", "--out",
                           (folder_ / "run").string()});
    if (words[0] == "config") all.resize(all.size() - 2);
    const auto outcome = run(all);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.err.find("train.stepps: unknown key (did you mean \"steps\"?)"),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  }
}

TEST_F(TrainCommand, AWrongTypeAndAMissingBundleHaveTheirCodes) {
  EXPECT_EQ(run({"train", config_.string(), "--set", "train.steps=many"}).code, 2);
  const auto missing = run({"train", config_.string(), "--out", (folder_ / "run").string()});
  EXPECT_EQ(missing.code, 4) << missing.err;
  EXPECT_NE(missing.err.find("nowhere/bundle"), std::string::npos) << missing.err;
  EXPECT_EQ(run({"train", (folder_ / "absent.json").string()}).code, 2);
}

TEST_F(TrainCommand, AProfileIsOfAtLeastOneStep) {
  for (const char* steps : {"0", "-1", "many"}) {
    const auto outcome = run({"train", config_.string(), "--profile", steps});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("--profile"), std::string::npos) << outcome.err;
  }
}

TEST_F(TrainCommand, ChecksNameTheFile) {
  write_file(folder_ / "bad.json",
             R"({"model": "m", "data": {"train": [{"manifest": "d", "splitt": "x"}]}})");
  const auto outcome = run({"config", "check", config_.string(), (folder_ / "bad.json").string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.out.find("least.json: good"), std::string::npos);
  EXPECT_NE(outcome.err.find("bad.json: data.train[0].splitt: unknown key"), std::string::npos)
      << outcome.err;
}

TEST_F(TrainCommand, DocumentsEveryField) {
  const auto outcome = run({"config", "doc"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* field :
       {"train.loss.dice = 0.5", "data.train[].weight = 1.0", "train.optimizer.groups[].match"}) {
    EXPECT_NE(outcome.out.find(field), std::string::npos) << field;
  }
}

TEST_F(TrainCommand, PlanSaysWhatTrainWouldSay) {
  const auto unknown = run({"plan", config_.string(), "--set", "train.stepps=300"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("train.stepps: unknown key"), std::string::npos);
  const auto nowhere = run({"plan", config_.string()});
  EXPECT_EQ(nowhere.code, 4);
  EXPECT_NE(nowhere.err.find("nowhere/bundle"), std::string::npos);
  EXPECT_EQ(run({"plan", config_.string(), "--memory", "-1"}).code, 2);
  EXPECT_EQ(nowhere.out, "");
}

TEST_F(TrainCommand, BenchTrainWantsOneConfig) {
  EXPECT_EQ(run({"bench", "train"}).code, 2);
  EXPECT_EQ(run({"bench", "train", config_.string(), config_.string()}).code, 2);
  EXPECT_EQ(run({"bench", "train", config_.string()}).code, 4);
  EXPECT_EQ(run({"bench", "grounding", "--set", "train.steps=3"}).code, 2);
}

TEST_F(TrainCommand, BenchThatMeasuresNothingSaysSo) {
  EXPECT_EQ(run({"bench", "grounding", "--only", "no_such_part", "--runs", "1"}).code, 2);
  EXPECT_EQ(run({"bench", "grounding", "--only", "window_attention.stage2", "--precision", "fp32",
                 "--runs", "1"})
                .code,
            2);
  EXPECT_EQ(run({"bench", "grounding", "--only", "window_attention.stage2", "--runs", "1"}).code,
            0);
}

}  // namespace
}  // namespace medseg
