#include "medseg/training/step_profile.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

struct Span {
  double begin = 0, end = 0;
  std::string name;
};

class StepProfileTest : public TinyRun {
 protected:
  void run(const TrainConfig& options, const std::string& name, std::int64_t profile) const {
    train(options, {.out = root_ / name, .command = "test", .profile = profile});
  }

  /// Complete spans of each thread, the outer before the inner.
  std::map<std::string, std::vector<Span>> spans(const std::string& name) const {
    const auto trace = nlohmann::json::parse(read_file(root_ / name / "trace.json"));
    std::map<std::string, std::vector<Span>> threads;
    for (const auto& event : trace.at("traceEvents")) {
      if (event.value("ph", "") != "X" || !event.at("tid").is_number()) continue;
      const double begin = event.at("ts").get<double>();
      threads[event.at("tid").dump()].push_back(
          {begin, begin + event.at("dur").get<double>(), event.at("name").get<std::string>()});
    }
    for (auto& [thread, all] : threads) {
      std::stable_sort(all.begin(), all.end(), [](const Span& a, const Span& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
      });
    }
    return threads;
  }
};

TEST_F(StepProfileTest, SpansOfStepsHoldTheirPartsAndThoseTheirOperators) {
  auto options = config();
  options.train.steps = 6;
  options.train.accumulation = 2;
  options.data.validation = options.data.train;
  options.train.evaluate_every = 1;  // between steps: no part of the trace
  run(options, "a", 3);
  std::map<std::string, int> times;
  std::size_t operators = 0;
  for (const auto& [thread, all] : spans("a")) {
    std::vector<Span> open;
    for (const auto& span : all) {
      while (!open.empty() && open.back().end <= span.begin) open.pop_back();
      if (!open.empty()) {
        EXPECT_LE(span.end, open.back().end + 0.002) << span.name << " in " << open.back().name;
      }
      ++times[span.name];
      const bool within_a_step = std::any_of(open.begin(), open.end(), [](const Span& outer) {
        return outer.name.starts_with("step ");
      });
      if (span.name.starts_with("aten::")) {
        ++operators;
        EXPECT_TRUE(within_a_step) << span.name;
      }
      if (span.name == "language forward") {
        EXPECT_TRUE(within_a_step);
      }
      open.push_back(span);
    }
  }
  for (const char* part : {"data", "encoders", "language forward", "backward"})
    EXPECT_EQ(times[part], 6) << part;
  for (const char* once : {"step 3", "step 4", "step 5"}) EXPECT_EQ(times[once], 1) << once;
  EXPECT_EQ(times["optimiser"], 3);
  EXPECT_EQ(times.count("step 2") + times.count("step 6") + times.count("evaluation"), 0U);
  EXPECT_GT(times["aten::addmm"] + times["aten::mm"], 10);
  EXPECT_GT(operators, 500U);
}

TEST_F(StepProfileTest, ItChangesNoNumber) {
  auto options = config();
  options.train.lora.dropout = 0.1;
  options.train.steps = 5;
  run(options, "plain", 0);
  run(options, "profiled", 2);
  EXPECT_EQ(metrics("plain"), metrics("profiled"));
  EXPECT_EQ(read_file(root_ / "plain/last/model.safetensors"),
            read_file(root_ / "profiled/last/model.safetensors"));
  EXPECT_FALSE(fs::exists(root_ / "plain/trace.json"));
}

TEST_F(StepProfileTest, ARunThatEndsEarlyLeavesWhatItHas) {
  auto options = config();
  options.train.steps = 4;
  run(options, "a", 100);
  std::size_t steps = 0;
  for (const auto& [thread, all] : spans("a")) {
    for (const auto& span : all) steps += span.name.starts_with("step ") ? 1 : 0;
  }
  EXPECT_EQ(steps, 2U);
}

TEST_F(StepProfileTest, AFileThatCannotBeWrittenDoesNotCostTheRun) {
  auto options = config();
  options.train.steps = 1;
  run(options, "a", 0);
  fs::create_directories(root_ / "a/trace.json/in the way");
  options.train.steps = 5;
  ::testing::internal::CaptureStderr();
  train(options, {.out = root_ / "a", .resume = true, .command = "test", .profile = 1});
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("trace.json: cannot write"), std::string::npos) << said;
  EXPECT_EQ(metrics("a").size(), 5U);
}

}  // namespace
}  // namespace medseg::tiny
