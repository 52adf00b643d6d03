// Which records a run sees: sources mixed by shares, batches grouped by length, and the report
// about it.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/dataloader/coverage.h"
#include "medseg/dataloader/sampler.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

constexpr std::size_t kSizes[] = {10, 3, 50};

SamplerOptions three_sources(bool grouped) {
  SamplerOptions options{.visits = {},
                         .lengths = {},
                         .batch_size = 4,
                         .group_by_length = grouped,
                         .seed = 9,
                         .sources = {},
                         .shares = {5, 3, 2}};
  for (std::size_t s = 0; s < 3; ++s) {
    for (std::size_t i = 0; i < kSizes[s]; ++i) {
      options.visits.push_back(1.0);
      options.sources.push_back(s);
      options.lengths.push_back(static_cast<std::int64_t>((i * 37 + s * 11) % 90));
    }
  }
  return options;
}

TEST(Mixing, EverySourceKeepsItsEpochsAndItsShare) {
  const auto options = three_sources(false);
  Sampler sampler(options);
  std::vector<std::vector<Draw>> drawn(3);
  for (int i = 0; i < 1000; ++i) {
    const auto draw = sampler.next(1).front();
    drawn[options.sources[draw.sample]].push_back(draw);
    for (std::size_t s = 0; s < 3; ++s)  // at any time
      EXPECT_NEAR(static_cast<double>(drawn[s].size()), options.shares[s] / 10 * (i + 1), 2.0);
  }
  for (std::size_t s = 0; s < 3; ++s) {
    std::set<std::vector<std::size_t>> orders;
    for (std::size_t e = 0; (e + 1) * kSizes[s] <= drawn[s].size(); ++e) {
      std::set<std::size_t> seen;
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < kSizes[s]; ++i) {
        const auto& draw = drawn[s][e * kSizes[s] + i];
        seen.insert(draw.sample);
        order.push_back(draw.sample);
        EXPECT_EQ(draw.visit, e);
      }
      EXPECT_EQ(seen.size(), kSizes[s]);
      orders.insert(order);
    }
    EXPECT_GT(orders.size(), 2U);  // each epoch in an order of its own
  }
}

TEST(Mixing, ASourceWithoutAShareIsNeverDrawn) {
  auto options = three_sources(true);
  options.shares[0] = 0;
  for (std::size_t i = 0; i < 10; ++i) options.visits[i] = 0;
  Sampler sampler(options);
  sampler.seek(77);
  for (const auto& draw : sampler.next(300)) EXPECT_GE(draw.sample, 10U);
}

TEST(Mixing, GoesOnFromTheCountAlone) {
  for (const bool grouped : {false, true}) {
    Sampler whole(three_sources(grouped));
    for (int i = 0; i < 60; ++i) {
      Sampler other(three_sources(grouped));
      other.seek(whole.drawn());
      EXPECT_EQ(other.drawn(), whole.drawn());
      EXPECT_EQ(other.next(100), [&] {
        Sampler copy = whole;
        return copy.next(100);
      }());
      whole.next(5);
    }
  }
}

TEST(Mixing, GroupingMovesDrawsAndLosesNone) {
  Sampler plain(three_sources(false)), grouped(three_sources(true));
  const auto sorted = [](std::vector<Draw> draws) {
    std::sort(draws.begin(), draws.end(), [](const Draw& a, const Draw& b) {
      return std::pair(a.sample, a.visit) < std::pair(b.sample, b.visit);
    });
    return draws;
  };
  for (int stretch = 0; stretch < 5; ++stretch) {
    const auto a = plain.next(16 * 4), b = grouped.next(16 * 4);
    EXPECT_NE(a, b);
    EXPECT_EQ(sorted(a), sorted(b));
  }
}

TEST(Mixing, GroupsStayWholeWhereAnEpochIsNoMultipleOfTheBatch) {
  SamplerOptions options{.visits = std::vector<double>(66, 1.0),
                         .lengths = {},
                         .batch_size = 4,
                         .group_by_length = true,
                         .seed = 4,
                         .sources = {},
                         .shares = {}};
  for (std::int64_t i = 0; i < 66; ++i) options.lengths.push_back(i * 7 % 66);
  Sampler sampler(options);
  std::map<std::size_t, int> visits;
  for (std::uint64_t drawn = 0; drawn < 66 * 6; drawn += 4) {
    std::vector<std::int64_t> sizes;
    for (const auto& draw : sampler.next(4)) {
      sizes.push_back(options.lengths[draw.sample]);
      ++visits[draw.sample];
    }
    const auto place = drawn % 66;                   // in its epoch
    if (place > 66 - 4 || place + 4 > 64) continue;  // a batch of two epochs, or the rest of one
    const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_LE(*high - *low, 5) << drawn;  // 64 of 66 lengths, sorted, in fours
  }
  for (const auto& [sample, count] : visits) EXPECT_EQ(count, 6) << sample;
}

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

  TrainConfig mixed(const std::string& mixing) const {
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
  auto options = mixed("weights").data;
  options.train[0].weight = 3;
  options.train[1].weight = 1;
  EXPECT_EQ(TrainingSet(options, bundle).shares(), (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(TrainingSet(options, bundle).visits(), std::vector<double>(8, 1.0));
  options.mixing = "temperature";
  options.train[0].weight = 1;
  for (const double alpha : {0.0, 0.5, 1.0}) {
    options.mixing_alpha = alpha;
    const auto shares = TrainingSet(options, bundle).shares();
    const double six = std::pow(6, alpha), two = std::pow(2, alpha);
    EXPECT_NEAR(shares[0], six / (six + two), 1e-12);
    EXPECT_NEAR(shares[0] + shares[1], 1.0, 1e-12);
  }
  options.mixing = "concatenate";
  options.train[1].weight = 2.5;
  const TrainingSet one(options, bundle);
  EXPECT_TRUE(one.shares().empty());
  EXPECT_EQ(one.visits(), (std::vector<double>{1, 1, 1, 1, 1, 1, 2.5, 2.5}));
}

TEST_F(MixedRun, TargetsAreBalancedWithinEachSource) {
  const auto bundle = open_bundle(root_ / "start");
  auto options = mixed("weights").data;
  options.balance = 1.0;
  const auto alone = TrainingSet(config().data, bundle);
  const auto visits = TrainingSet(options, bundle).visits();
  auto single = config().data;
  single.balance = 1.0;
  const auto expected = TrainingSet(single, bundle).visits();
  EXPECT_EQ(std::vector<double>(visits.begin(), visits.begin() + 6), expected);
  EXPECT_NE(expected, alone.visits());
}

TEST_F(MixedRun, TheReportCountsWhatTheRunDraws) {
  auto options = mixed("weights");
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
  const auto options = mixed("concatenate").data;
  const TrainingSet data(options, bundle);
  SamplerOptions sampler{.visits = data.visits(),
                         .lengths = data.lengths(),
                         .batch_size = 2,
                         .group_by_length = true,
                         .seed = 1,
                         .sources = data.sources(),
                         .shares = {}};
  const auto coverage = cover(data, sampler, 64);
  EXPECT_LT(coverage.padding, coverage.ungrouped_padding);
  EXPECT_GT(coverage.padding, 0.0);
  EXPECT_NE(coverage_lines(coverage).back().find("without data.group_by_length"),
            std::string::npos);
  for (const auto& source : coverage.sources) EXPECT_EQ(source.epochs, 8.0);
}

TEST_F(MixedRun, TwoHalvesAreTheWholeWithAnyNumberOfThreads) {
  for (const char* mixing : {"concatenate", "weights", "temperature"}) {
    auto options = mixed(mixing);
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
    EXPECT_EQ(metrics(std::string(mixing) + "-whole"), metrics(std::string(mixing) + "-halves"));
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      EXPECT_EQ(read_file(root_ / (std::string(mixing) + "-whole") / "last" / file),
                read_file(root_ / (std::string(mixing) + "-halves") / "last" / file))
          << mixing << " " << file;
    }
  }
}

TEST_F(MixedRun, RefusesWhatCannotBeMeant) {
  auto options = mixed("weights");
  options.data.train[0].weight = options.data.train[1].weight = 0;
  EXPECT_NE(fault_of(options).find("every weight is 0, or every record was dropped [2]"),
            std::string::npos)
      << fault_of(options);
  options = mixed("weights");
  auto record = nlohmann::json::parse(split(read_file(root_ / "other/manifest.jsonl"), '\n')[0]);
  record["absent"] = {"rib"};
  record["conversations"][1] = {{"from", "gpt"}, {"value", "None."}};
  write_file(root_ / "other/manifest.jsonl", record.dump() + "\n");
  options.data.absent_weight = 0;
  EXPECT_NE(fault_of(options).find("data.train[1]: no record of "), std::string::npos)
      << fault_of(options);
  options.data.mixing = "by size";
  EXPECT_NE(fault_of(options).find("data.mixing: unknown \"by size\""), std::string::npos);
}

}  // namespace
}  // namespace medseg::tiny
