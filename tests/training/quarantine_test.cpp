// Records that cannot be read: the run stops, or goes on without them, and then always in the same
// way.
#include "medseg/dataloader/quarantine.h"

#include <algorithm>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/dataloader/batch_maker.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

TrainRequest to(const fs::path& out, bool resume = false) {
  return {.out = out, .resume = resume, .command = "test"};
}

class QuarantineRun : public TinyRun {
 protected:
  fs::path data() const { return root_ / "data"; }

  TrainConfig quarantining() const {
    auto options = config();
    options.data.on_bad_sample = OnBadSample::kQuarantine;
    options.data.workers = 0;
    options.train.steps = 8;
    options.train.batch_size = 2;
    return options;
  }

  // Of the six training records: line 3 has a cut picture, line 5 a mask of another size, line 2 a
  // mask that is missing.
  void spoil() const {
    fs::resize_file(data() / "p2.png", 60);
    write_png(data() / "p4-m.png", Mask(10, 10));
    fs::remove(data() / "p1-m.png");
  }

  std::string fault_of(const TrainConfig& options, const std::string& run) const {
    try {
      train(options, to(root_ / run));
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }

  std::vector<nlohmann::json> listed(const std::string& run) const {
    std::vector<nlohmann::json> lines;
    for (const auto& line : split(read_file(root_ / run / "quarantine.jsonl"), '\n')) {
      if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }

  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"})
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file)) << file;
  }

  static std::set<std::string> ids(const std::vector<nlohmann::json>& lines) {
    std::set<std::string> found;
    for (const auto& line : lines) found.insert(line["id"].get<std::string>());
    return found;
  }
};

TEST_F(QuarantineRun, WithoutItTheFirstBadRecordEndsTheRun) {
  spoil();
  auto options = config();
  options.data.cache_gb = 0;  // else the pictures are read before the first step
  options.data.shuffle = false;
  options.data.workers = 2;
  const auto fault = fault_of(options, "a");
  EXPECT_NE(fault.find("manifest.jsonl:2: masks.m0: "), std::string::npos) << fault;
  EXPECT_NE(fault.find("p1-m.png"), std::string::npos) << fault;
  EXPECT_NE(fault.find("[3]"), std::string::npos) << fault;
  EXPECT_FALSE(fs::exists(root_ / "a/quarantine.jsonl"));
}

TEST_F(QuarantineRun, GoesOnWithoutThemAndSaysSoOnce) {
  spoil();
  auto text = read_file(data() / "manifest.jsonl");
  write_file(data() / "manifest.jsonl",
             text + "{\"id\": \"torn\", \"image\"\n" + text.substr(0, text.find('\n') + 1));
  auto options = quarantining();
  ::testing::internal::CaptureStderr();
  train(options, to(root_ / "a"));
  ::testing::internal::GetCapturedStderr();
  const auto lines = listed("a");
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(ids(lines), (std::set<std::string>{"p1", "p2", "p4", "p0", ""}));
  std::map<int, std::string> parts;
  for (const auto& line : lines) {
    parts[line["line"].get<int>()] = line["part"].get<std::string>();
    EXPECT_EQ(line["manifest"], (data() / "manifest.jsonl").string());
    EXPECT_FALSE(line["why"].get<std::string>().empty());
    EXPECT_EQ(line["why"].get<std::string>().find("manifest.jsonl:"), std::string::npos);
  }
  EXPECT_EQ(parts, (std::map<int, std::string>{
                       {2, "masks"}, {3, "picture"}, {5, "masks"}, {9, "line"}, {10, "line"}}));
  const auto log = read_file(root_ / "a/log.txt");
  for (const int line : {2, 3, 5, 9, 10}) {
    const auto place = str_cat("manifest.jsonl:", line, ": ");
    const auto first = log.find(place);
    ASSERT_NE(first, std::string::npos) << place << log;
    EXPECT_EQ(log.find(place, first + 1), std::string::npos) << place;
  }
  const auto run = nlohmann::json::parse(read_file(root_ / "a/run.json"));
  EXPECT_EQ(run["quarantined_records"], 5);
}

TEST_F(QuarantineRun, ThreadsAndTheCacheChangeNothing) {
  spoil();
  auto options = quarantining();
  train(options, to(root_ / "a"));
  options.data.workers = 3;
  train(options, to(root_ / "b"));
  options.data.cache_gb = 0;
  options.data.workers = 2;
  train(options, to(root_ / "c"));
  expect_same("a", "b");
  expect_same("a", "c");
  EXPECT_EQ(listed("a"), listed("b"));
  EXPECT_EQ(ids(listed("a")), ids(listed("c")));
}

TEST_F(QuarantineRun, TwoHalvesAreTheWholeAlsoWhenFilesAreMendedBetween) {
  for (const bool rare : {false, true}) {
    write_data(data());
    spoil();
    auto options = quarantining();
    options.train.replay = {.masks = 3, .memory = 2};
    options.train.trainable.push_back("mm_projector");
    options.train.standardise_vision = true;
    options.data.cache_gb = rare ? 1e-9 : 4.0;
    options.data.workers = 2;
    options.train.steps = 9;
    options.train.schedule.total_steps = 9;
    const std::string whole = str_cat("whole", rare), halves = str_cat("halves", rare);
    train(options, to(root_ / whole));
    EXPECT_EQ(ids(listed(whole)), (std::set<std::string>{"p1", "p2", "p4"}));
    options.train.steps = 4;  // eight of six records drawn: in the middle of the second epoch
    train(options, to(root_ / halves));
    EXPECT_EQ(ids(listed(halves)), (std::set<std::string>{"p1", "p2", "p4"}));
    write_data(data());
    options.train.steps = 9;
    train(options, to(root_ / halves, true));
    expect_same(whole, halves);
    EXPECT_EQ(ids(listed(halves)), (std::set<std::string>{"p1", "p2", "p4"}));
  }
}

TEST_F(QuarantineRun, AListThatIsAheadOfItsCheckpointGoesBack) {
  spoil();
  auto options = quarantining();
  options.train.steps = 1;
  train(options, to(root_ / "a"));
  const auto before = read_file(root_ / "a/quarantine.jsonl");
  append_line(root_ / "a/quarantine.jsonl", R"({"id": "p9", "manifest": "m", "line": 77, )");
  options.train.steps = 2;
  train(options, to(root_ / "a", true));
  EXPECT_EQ(read_file(root_ / "a/quarantine.jsonl").substr(0, before.size()), before);
  EXPECT_EQ(read_file(root_ / "a/quarantine.jsonl").find("\"line\": 77"), std::string::npos);
}

TEST_F(QuarantineRun, AChangedManifestIsSaid) {
  auto options = quarantining();
  options.train.steps = 1;
  train(options, to(root_ / "a"));
  options.train.steps = 2;
  train(options, to(root_ / "a", true));
  EXPECT_EQ(read_file(root_ / "a/log.txt").find("not what the run began with"), std::string::npos);
  append_line(data() / "manifest.jsonl", "torn");
  options.train.steps = 3;
  train(options, to(root_ / "a", true));
  EXPECT_NE(read_file(root_ / "a/log.txt").find("manifest.jsonl: is not what the run began with"),
            std::string::npos);
  EXPECT_EQ(listed("a").size(), 1U);
}

TEST_F(QuarantineRun, AboveTheLimitItStops) {
  spoil();
  for (const double cache : {4.0, 0.0}) {
    const std::string run = str_cat("cache", cache);
    auto options = quarantining();
    options.data.cache_gb = cache;
    options.data.quarantine_limit = 2;
    options.data.workers = 2;
    const auto fault = fault_of(options, run);
    EXPECT_NE(fault.find("3 records are bad, more than data.quarantine_limit 2"), std::string::npos)
        << fault;
    EXPECT_NE(fault.find("manifest.jsonl:"), std::string::npos) << fault;
    EXPECT_NE(fault.find("[3]"), std::string::npos) << fault;
    EXPECT_EQ(listed(run).size(), 3U);
  }
  auto options = quarantining();  // the limit may be raised for a run that goes on
  options.data.quarantine_limit = 3;
  options.train.steps = 2;
  train(options, to(root_ / "more"));
  options.train.steps = 4;
  options.data.quarantine_limit = 5;
  train(options, to(root_ / "more", true));
  options.train.steps = 5;
  options.data.quarantine_limit = 1;  // but not lowered below what it has left out
  try {
    train(options, to(root_ / "more", true));
    ADD_FAILURE() << "went on";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("quarantine_limit 1"), std::string::npos);
  }
}

TEST_F(QuarantineRun, WhereNothingCanBeReadItStops) {
  for (int i = 0; i < 6; ++i) fs::remove(data() / str_cat("p", i, ".png"));
  auto options = quarantining();
  options.data.quarantine_limit = 1000;
  options.data.cache_gb = 0;
  const auto fault = fault_of(options, "a");
  EXPECT_NE(fault.find("of the 6 records of its source none can be read [3]"), std::string::npos)
      << fault;
}

TEST_F(QuarantineRun, ADialogueThatFitsNoMasksIsOneToo) {
  auto text = read_file(data() / "manifest.jsonl");
  const std::string asked = "<image>\\nWhat?";
  text.replace(text.find(asked), asked.size(), "What?");  // still a dialogue
  const auto line = text.find("\"value\":\"None.\"");
  ASSERT_NE(line, std::string::npos);
  text.replace(line, 15, "\"value\":\"<image>\"");  // no answer may show a picture
  write_file(data() / "manifest.jsonl", text);
  const auto fault = fault_of(config(), "stopped");
  EXPECT_NE(fault.find("manifest.jsonl:6: "), std::string::npos) << fault;
  train(quarantining(), to(root_ / "a"));
  const auto lines = listed("a");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["part"], "dialogue");
  EXPECT_EQ(lines[0]["line"], 6);
}

TEST_F(QuarantineRun, WhatTakesTheirPlaceFollowsFromTheVisitAlone) {
  spoil();
  const auto bundle = open_bundle(root_ / "start");
  const auto options = quarantining().data;
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 20);
  const auto id_at = [&](TrainingSet& data, std::uint64_t visit) {
    const BatchMaker batches(data, cache, 5);
    auto loaded = batches.load({{2, visit}});
    EXPECT_EQ(loaded.bad.front().id, "p2");
    const auto batch = batches.complete(std::move(loaded));
    EXPECT_EQ(batch.ids.size(), 1U);
    return batch.ids.front();
  };
  std::vector<std::string> forward, backward;
  TrainingSet first(options, bundle), second(options, bundle);
  for (std::uint64_t v = 0; v < 20; ++v) forward.push_back(id_at(first, v));
  for (std::uint64_t v = 20; v-- > 0;) backward.insert(backward.begin(), id_at(second, v));
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(std::set<std::string>(forward.begin(), forward.end()),
            (std::set<std::string>{"p0", "p3", "p5"}));
}

}  // namespace
}  // namespace medseg::tiny
