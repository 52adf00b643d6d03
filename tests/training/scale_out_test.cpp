// Whole runs on one, two and four processes: the same numbers, and one end for all.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "support/child_process.h"
#include "tiny_run.h"

extern char** environ;

namespace medseg::tiny {
namespace {

using ::testing::HasSubstr;

class ScaleOutIntegration : public TinyRun {
 protected:
  /// All that could depend on who computes what: dropout, accumulation, averages, replay, loader
  /// threads, scores.
  TrainConfig config_with_everything() const {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    options.data.workers = 2;
    options.data.group_by_length = true;
    auto& train = options.train;
    train.steps = 6;
    train.batch_size = 2;
    train.accumulation = 4;
    train.optimizer.lr = 1e-3;
    train.lora.dropout = 0.1;
    train.ema.decay = 0.9;
    train.replay = {.masks = 5, .memory = 3};
    train.evaluate_every = 3;
    train.distributed.bucket_mb = 0.01;
    return options;
  }

  pid_t start(int processes, std::vector<std::string> words) const {
    if (processes > 1) {
      const std::vector<std::string> launch = {"launch", "--nproc", str_cat(processes), "--"};
      words.insert(words.begin(), launch.begin(), launch.end());
    }
    for (const char* file : {"stderr", "stdout"}) fs::remove(root_ / file);
    return start_medseg(std::move(words), root_ / "stderr", root_ / "stdout");
  }

  pid_t start_training(int processes, const TrainConfig& options, const std::string& run) const {
    write_file(root_ / "config.json", write_options(options).dump());
    return start(processes, {"train", (root_ / "config.json").string(), "--out",
                             (root_ / run).string(), "--resume"});
  }

  int train_on(int processes, const TrainConfig& options, const std::string& run) const {
    return exit_code_of(start_training(processes, options, run));
  }

  std::string said() const { return read_file(root_ / "stderr"); }

  /// Lines of the user's errors.
  std::vector<std::string> errors() const {
    std::vector<std::string> found;
    for (const auto& line : split(said(), '\n')) {
      if (line.find("medseg: ") != std::string::npos) found.push_back(line);
    }
    return found;
  }

  template <class Happened>
  static bool wait_for(const Happened& happened) {
    const Stopwatch watch;
    while (!happened()) {
      if (watch.seconds() > 60) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  bool has_lines(const std::string& run, std::int64_t lines) const {
    std::error_code none;
    if (fs::file_size(root_ / run / "metrics.jsonl", none) == 0 || none) return false;
    const auto text = read_file(root_ / run / "metrics.jsonl");
    return std::count(text.begin(), text.end(), '\n') >= lines;
  }

  /// Ranks of a launcher, in order.
  static std::vector<pid_t> ranks_of(pid_t launcher) {
    std::vector<pid_t> ranks;
    std::ifstream children(str_cat("/proc/", launcher, "/task/", launcher, "/children"));
    for (pid_t rank = 0; children >> rank;) ranks.push_back(rank);
    std::sort(ranks.begin(), ranks.end());
    return ranks;
  }

  void expect_close(const std::string& a, const std::string& b, double tolerance = 1e-6) const {
    const auto one = metrics(a), other = metrics(b);
    ASSERT_EQ(one.size(), other.size());
    double worst = 0;
    for (std::size_t i = 0; i < one.size(); ++i) {
      for (const auto& [key, value] : one[i].items()) {
        ASSERT_TRUE(other[i].contains(key)) << key;
        if (!value.is_number()) {
          EXPECT_EQ(value, other[i][key]) << key;
          continue;
        }
        const auto x = value.get<double>(), y = other[i][key].get<double>();
        // A score jumps when a pixel's logit crosses 0.
        const bool score = one[i].contains("split");
        EXPECT_NEAR(x, y, score ? 0.02 : tolerance * std::max(1.0, std::abs(x)))
            << a << " " << b << " line " << i << " " << key;
        if (!score) worst = std::max(worst, std::abs(x - y) / std::max(1.0, std::abs(x)));
      }
    }
    RecordProperty(a + " - " + b, str_cat(worst));
  }

  void expect_same_bits(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"})
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file)) << file;
  }
};

TEST_F(ScaleOutIntegration, LossesDoNotDependOnTheNumberOfProcesses) {
  const auto options = config_with_everything();
  for (const int processes : {1, 2, 4})
    ASSERT_EQ(train_on(processes, options, str_cat("on-", processes)), 0) << said();
  expect_close("on-1", "on-2");
  expect_close("on-1", "on-4");
  const auto run = nlohmann::json::parse(read_file(root_ / "on-4/run.json"));
  EXPECT_EQ(run["processes"], 4);
  EXPECT_GT(run["gradient_buckets"]["count"].get<int>(), 3);
  EXPECT_GT(run["gradient_buckets"]["sent_during_backward"].get<int>(), 0);
}

TEST_F(ScaleOutIntegration, MicroBatchesNeedNotDivideEvenly) {
  auto options = config_with_everything();
  options.train.steps = 3;
  options.train.accumulation = 3;
  options.train.replay.masks = 0;
  for (const int processes : {1, 2})
    ASSERT_EQ(train_on(processes, options, str_cat("on-", processes)), 0) << said();
  expect_close("on-1", "on-2");
}

TEST_F(ScaleOutIntegration, ARunGoesOnOnAnotherNumberOfProcesses) {
  auto options = config_with_everything();
  options.train.schedule.total_steps = options.train.steps = 8;
  ASSERT_EQ(train_on(2, options, "whole"), 0) << said();
  options.train.steps = 4;
  ASSERT_EQ(train_on(2, options, "halves"), 0) << said();
  fs::copy(root_ / "halves", root_ / "others",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  options.train.steps = 8;
  ASSERT_EQ(train_on(2, options, "halves"), 0) << said();
  const auto tail = [&](const std::string& run) {  // an evaluation came at the fourth step, too
    auto lines = metrics(run);
    std::erase_if(lines,
                  [](const auto& line) { return line.contains("split") && line["step"] == 4; });
    return lines;
  };
  EXPECT_EQ(tail("whole"), tail("halves"));
  for (const char* file : {"model.safetensors", "training.safetensors"})
    EXPECT_EQ(read_file(root_ / "whole/last" / file), read_file(root_ / "halves/last" / file))
        << file;
  options.train.steps = 6;
  ASSERT_EQ(train_on(1, options, "others"), 0) << said();
  options.train.steps = 8;
  ASSERT_EQ(train_on(4, options, "others"), 0) << said();
  const auto whole = tail("whole"), others = tail("others");
  EXPECT_NEAR(whole[whole.size() - 2]["loss"].get<double>(),
              others[others.size() - 2]["loss"].get<double>(), 2e-6);
}

TEST_F(ScaleOutIntegration, DividedMomentsAreTheSameRun) {
  auto options = config_with_everything();
  options.train.steps = 4;
  ASSERT_EQ(train_on(2, options, "plain"), 0) << said();
  options.train.optimizer.shard = true;
  ASSERT_EQ(train_on(2, options, "divided"), 0) << said();
  expect_same_bits("plain", "divided");
  options.train.steps = 6;  // and each goes on as the other kind
  ASSERT_EQ(train_on(2, options, "plain"), 0) << said();
  options.train.optimizer.shard = false;
  ASSERT_EQ(train_on(2, options, "divided"), 0) << said();
  expect_same_bits("plain", "divided");
}

TEST_F(ScaleOutIntegration, EvaluationsAreThoseOfOneProcess) {
  auto options = config();
  options.train.steps = 2;
  ASSERT_EQ(train_on(1, options, "run"), 0) << said();
  for (const int processes : {1, 3}) {
    ASSERT_EQ(exit_code_of(
                  start(processes, {"evaluate", "--model", (root_ / "run/last").string(), "--data",
                                    (root_ / "data/manifest.jsonl").string(), "--split", "train",
                                    "--precision", "fp32", "--threads", "1", "--json", "--out",
                                    (root_ / str_cat("eval-", processes)).string()})),
              0)
        << said();
    EXPECT_EQ(read_file(root_ / "stdout"),
              read_file(root_ / str_cat("eval-", processes) / "scores.json"));
  }
  EXPECT_EQ(read_file(root_ / "eval-1/scores.json"), read_file(root_ / "eval-3/scores.json"));
  const auto predictions = [&](const char* folder) {
    std::vector<nlohmann::json> lines;
    for (const auto& line : split(read_file(root_ / folder / "predictions.jsonl"), '\n')) {
      if (line.empty()) continue;
      lines.push_back(nlohmann::json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  };
  EXPECT_EQ(predictions("eval-1").size(), 7U);
  EXPECT_EQ(predictions("eval-1"), predictions("eval-3"));
}

TEST_F(ScaleOutIntegration, WithAFolderEachComputesItsShareOfTheFeatures) {
  auto options = config();
  options.train.accumulation = 2;
  ASSERT_EQ(train_on(1, options, "plain"), 0) << said();
  options.data.cache_dir = (root_ / "features").string();
  ASSERT_EQ(train_on(2, options, "shared"), 0) << said();
  const auto features = nlohmann::json::parse(read_file(root_ / "shared/run.json"))["features"];
  EXPECT_EQ(features["computed"], 3);  // of six pictures
  EXPECT_EQ(features["from_disk"], 3);
  expect_close("plain", "shared");
}

TEST_F(ScaleOutIntegration, WhatIsLeftOutIsLeftOutByAll) {
  auto options = config_with_everything();
  options.train.steps = 4;
  options.data.on_bad_sample = OnBadSample::kQuarantine;
  write_file(root_ / "data/p3.png", "no picture");
  for (const int processes : {1, 2})
    ASSERT_EQ(train_on(processes, options, str_cat("on-", processes)), 0) << said();
  expect_close("on-1", "on-2");
  EXPECT_EQ(read_file(root_ / "on-1/quarantine.jsonl"), read_file(root_ / "on-2/quarantine.jsonl"));
  options.data.quarantine_limit = 0;
  EXPECT_EQ(train_on(2, options, "none-allowed"), 3);
  ASSERT_EQ(errors().size(), 1U) << said();
  EXPECT_THAT(errors()[0], HasSubstr("more than data.quarantine_limit 0"));
}

TEST_F(ScaleOutIntegration, AKilledRankEndsAllWithFiveAndTheRunGoesOn) {
  auto options = config_with_everything();
  options.train.save_every = 2;
  options.train.steps = 12;
  ASSERT_EQ(train_on(2, options, "whole"), 0) << said();
  for (const std::size_t victim : {1U, 0U}) {
    const auto run = str_cat("killed-", victim);
    const pid_t launcher = start_training(2, options, run);
    ASSERT_TRUE(wait_for([&] { return has_lines(run, 4); })) << said();
    const auto ranks = ranks_of(launcher);
    ASSERT_EQ(ranks.size(), 2U);
    ::kill(ranks[victim], SIGKILL);
    EXPECT_EQ(exit_code_of(launcher), 5) << said();
    ASSERT_EQ(errors().size(), 1U) << said();
    EXPECT_THAT(errors()[0], HasSubstr(str_cat("medseg: rank ", victim, " (process ", ranks[victim],
                                               ") was killed by signal 9")));
    for (const auto rank : ranks) EXPECT_NE(::kill(rank, 0), 0);
    ASSERT_EQ(train_on(2, options, run), 0) << said();
    expect_same_bits("whole", run);
  }
}

TEST_F(ScaleOutIntegration, AStoppedRankEndsAllWithFive) {
  auto options = config_with_everything();
  options.train.steps = 1000000;
  options.train.distributed.timeout_s = 3;
  const pid_t launcher = start_training(2, options, "run");
  ASSERT_TRUE(wait_for([&] { return has_lines("run", 2); })) << said();
  ::kill(ranks_of(launcher)[1], SIGSTOP);
  EXPECT_EQ(exit_code_of(launcher), 5) << said();
  ASSERT_EQ(errors().size(), 1U) << said();
  EXPECT_THAT(errors()[0], HasSubstr("rank 1 is gone or stopped"));
  EXPECT_THAT(read_file(root_ / "run/run.json"), HasSubstr("stopped: rank 1 is gone"));
}

TEST_F(ScaleOutIntegration, ASignalStopsAllAfterSaving) {
  auto options = config_with_everything();
  options.train.steps = 1000000;
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto run = str_cat("signal-", signal);
    const pid_t launcher = start_training(2, options, run);
    ASSERT_TRUE(wait_for([&] { return has_lines(run, 2); })) << said();
    ::kill(launcher, signal);
    EXPECT_EQ(exit_code_of(launcher), 128 + signal) << said();
    EXPECT_EQ(errors().size(), 1U) << said();
    EXPECT_TRUE(fs::exists(root_ / run / "last/training.json"));
  }
  // One that only one rank gets counts for all.
  const pid_t launcher = start_training(2, options, "one");
  ASSERT_TRUE(wait_for([&] { return has_lines("one", 2); })) << said();
  ::kill(ranks_of(launcher)[1], SIGTERM);
  EXPECT_EQ(exit_code_of(launcher), 143) << said();
  EXPECT_TRUE(fs::exists(root_ / "one/last/training.json"));
}

TEST_F(ScaleOutIntegration, WhatIsWrongIsSaidOnceWithItsCode) {
  const auto only_error = [&] {
    return errors().size() == 1 ? errors()[0] : "not one line: " + said();
  };
  auto options = config_with_everything();
  options.train.accumulation = 1;
  EXPECT_EQ(train_on(2, options, "run"), 2);
  EXPECT_THAT(only_error(),
              HasSubstr("train.accumulation: 1 micro-batches a step for 2 processes"));

  EXPECT_EQ(exit_code_of(start(2, {"train", (root_ / "none.json").string()})), 2);
  EXPECT_THAT(only_error(), HasSubstr("none.json"));
  EXPECT_EQ(exit_code_of(start(2, {"train", "--no-such-option"})), 2);
  EXPECT_THAT(only_error(), HasSubstr("medseg: "));
  EXPECT_EQ(exit_code_of(start(2, {"predict", "--help"})), 2);
  EXPECT_THAT(only_error(), HasSubstr("\"predict\" does not run on several processes"));

  options = config_with_everything();
  write_start(root_ / "nan", true, std::numeric_limits<double>::quiet_NaN());
  options.model = (root_ / "nan").string();
  EXPECT_EQ(train_on(2, options, "nan-run"), 5);
  EXPECT_THAT(only_error(), HasSubstr("step 1: loss_bce is nan"));

  options = config_with_everything();
  options.data.cache_gb = 0;  // pictures are read as they are drawn, each by one rank
  write_file(root_ / "data/p3.png", "no picture");
  EXPECT_EQ(train_on(2, options, "bad-data"), 3);
  EXPECT_THAT(only_error(), HasSubstr("p3.png"));
}

}  // namespace
}  // namespace medseg::tiny
