// Which records a run sees: sources mixed by shares, batches grouped by length, and the report
// about it.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/dataloader/coverage.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

class MixedRun : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    write_data(root_ / "other");
    auto text = read_file(root_ / "other/manifest.jsonl");
    std::string two;  // records of the second source: two, of eight words more
    for (const auto& line : split(text, '\n')) {
      if (line.empty()) continue;
      auto record = nlohmann::json::parse(line);
      if (record["split"] != "train" || record["id"] == "p5") continue;
      record["conversations"][0]["value"] = "<image>\nWhat is it that can be seen in this picture?";
      two += record.dump() + "\n";
      if (std::count(two.begin(), two.end(), '\n') == 2) break;
    }
    write_file(root_ / "other/manifest.jsonl", two);
  }

  TrainConfig mixed(Mixing mixing) const {
    auto options = config();
    options.data.train.push_back({(root_ / "other/manifest.jsonl").string(), "train", 1.0});
    options.data.mixing = mixing;
    return options;
  }

  std::string fault_of(const TrainConfig& options) const {
    try {
      train(options, {.out = root_ / "fault", .resume = false, .command = "test"});
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }
};

TEST_F(MixedRun, SharesAreWeightsOrPowersOfSizes) {
  const auto bundle = open_bundle(root_ / "start");
  auto options = mixed(Mixing::kWeights).data;
  options.train[0].weight = 3;
  options.train[1].weight = 1;
  EXPECT_EQ(TrainingSet(options, bundle).visits.shares, (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(TrainingSet(options, bundle).visits.of_records, std::vector<double>(8, 1.0));
  options.mixing = Mixing::kTemperature;
  options.train[0].weight = 1;
  for (const double alpha : {0.0, 0.5, 1.0}) {
    options.mixing_alpha = alpha;
    const auto shares = TrainingSet(options, bundle).visits.shares;
    const double six = std::pow(6, alpha), two = std::pow(2, alpha);
    EXPECT_NEAR(shares[0], six / (six + two), 1e-12);
    EXPECT_NEAR(shares[0] + shares[1], 1.0, 1e-12);
  }
  options.mixing = Mixing::kConcatenate;
  options.train[1].weight = 2.5;
  const TrainingSet one(options, bundle);
  EXPECT_TRUE(one.visits.shares.empty());
  EXPECT_EQ(one.visits.of_records, (std::vector<double>{1, 1, 1, 1, 1, 1, 2.5, 2.5}));
}

TEST_F(MixedRun, TargetsAreBalancedWithinEachSource) {
  const auto bundle = open_bundle(root_ / "start");
  auto options = mixed(Mixing::kWeights).data;
  options.balance = 1.0;
  const TrainingSet alone(config().data, bundle);
  const auto visits = TrainingSet(options, bundle).visits.of_records;
  auto single = config().data;
  single.balance = 1.0;
  const auto expected = TrainingSet(single, bundle).visits.of_records;
  EXPECT_EQ(std::vector<double>(visits.begin(), visits.begin() + 6), expected);
  EXPECT_NE(expected, alone.visits.of_records);
}

TEST_F(MixedRun, TheReportCountsWhatTheRunDraws) {
  auto options = mixed(Mixing::kWeights);
  options.data.train[0].weight = 3;
  options.train.steps = 5;
  options.train.batch_size = 2;
  options.train.accumulation = 2;
  train(options, {.out = root_ / "a", .resume = false, .command = "test"});
  const auto run = nlohmann::json::parse(read_file(root_ / "a/run.json"));
  const auto& coverage = run["coverage"];
  EXPECT_EQ(coverage["draws"], 20);
  ASSERT_EQ(coverage["sources"].size(), 2U);
  const auto& first = coverage["sources"][0];
  EXPECT_EQ(first["records"], 6);
  EXPECT_EQ(first["turns"], 7);
  EXPECT_EQ(first["masks"], 7);
  EXPECT_EQ(first["draws"], 15);
  EXPECT_EQ(first["share"], 0.75);
  EXPECT_EQ(first["epochs"], 2.5);
  EXPECT_EQ(first["never_seen"], 0);
  EXPECT_EQ(coverage["sources"][1]["draws"], 5);
  std::int64_t samples = 0;
  for (const auto& line : metrics("a")) samples += line["samples"].get<std::int64_t>();
  EXPECT_EQ(samples, 20);
  const auto log = read_file(root_ / "a/log.txt");
  EXPECT_NE(log.find("other/manifest.jsonl train: 2 records, "), std::string::npos) << log;
  EXPECT_NE(log.find("25.0 % of 20 draws, 2.50 epochs, 0 never seen"), std::string::npos) << log;
  EXPECT_NE(log.find("padding: "), std::string::npos) << log;

  options.train.steps = 1;  // four draws of eight records
  train(options, {.out = root_ / "b", .resume = false, .command = "test"});
  const auto few = nlohmann::json::parse(read_file(root_ / "b/run.json"))["coverage"];
  EXPECT_EQ(few["sources"][0]["never_seen"], 3);
  EXPECT_EQ(few["sources"][1]["never_seen"], 1);
}

TEST_F(MixedRun, GroupingPadsLess) {
  const auto bundle = open_bundle(root_ / "start");
  const auto options = mixed(Mixing::kConcatenate).data;
  const TrainingSet data(options, bundle);
  auto sampler = sampler_options(data.records, data.visits, 2, 1);
  sampler.group_by_length = true;
  const auto coverage = cover(data, sampler, 64);
  EXPECT_LT(coverage.padding, coverage.ungrouped_padding);
  EXPECT_GT(coverage.padding, 0.0);
  EXPECT_NE(coverage_lines(coverage).back().find("without data.group_by_length"),
            std::string::npos);
  for (const auto& source : coverage.sources) EXPECT_EQ(source.epochs, 8.0);
}

TEST_F(MixedRun, TwoHalvesAreTheWholeWithAnyNumberOfThreads) {
  for (const std::string mixing : {"concatenate", "weights", "temperature"}) {
    auto options = mixed(choice_named<Mixing>("", mixing));
    options.data.train[1].weight = 1.7;
    options.data.group_by_length = true;
    options.data.balance = 0.5;
    options.train.batch_size = 3;
    options.train.steps = 6;
    options.train.schedule.total_steps = 6;
    options.data.workers = 3;
    const auto run = [&](const std::string& name, bool resume) {
      train(options, {.out = root_ / (mixing + name), .resume = resume, .command = "test"});
    };
    run("-whole", false);
    options.data.workers = 0;
    options.train.steps = 2;  // six draws: in the middle of every epoch
    run("-halves", false);
    options.train.steps = 6;
    run("-halves", true);
    EXPECT_EQ(metrics(mixing + "-whole"), metrics(mixing + "-halves"));
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      EXPECT_EQ(read_file(root_ / (mixing + "-whole") / "last" / file),
                read_file(root_ / (mixing + "-halves") / "last" / file))
          << mixing << " " << file;
    }
  }
}

TEST_F(MixedRun, RefusesWhatCannotBeMeant) {
  auto options = mixed(Mixing::kWeights);
  options.data.train[0].weight = options.data.train[1].weight = 0;
  EXPECT_NE(fault_of(options).find("every weight is 0, or every record was dropped [2]"),
            std::string::npos)
      << fault_of(options);
  options = mixed(Mixing::kWeights);
  auto record = nlohmann::json::parse(split(read_file(root_ / "other/manifest.jsonl"), '\n')[0]);
  record["absent"] = {"rib"};
  record["conversations"][1] = {{"from", "gpt"}, {"value", "None."}};
  write_file(root_ / "other/manifest.jsonl", record.dump() + "\n");
  options.data.absent_weight = 0;
  EXPECT_NE(fault_of(options).find("data.train[1]: no record of "), std::string::npos)
      << fault_of(options);
}

}  // namespace
}  // namespace medseg::tiny
