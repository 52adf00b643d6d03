// `medseg bench train`, as a user runs it: the real loop, and every measurement a line that a
// program can read.
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "support/child_process.h"
#include "tiny_run.h"

extern char** environ;

namespace medseg::tiny {
namespace {

class BenchIntegration : public TinyRun {};

TEST_F(BenchIntegration, TrainIsTimedPartByPart) {
  write_file(root_ / "config.json", write_options(config()).dump());
  const auto bench = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {
        "bench", "train", (root_ / "config.json").string(), "--runs", "3", "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    fs::remove(root_ / "stdout");
    EXPECT_EQ(exit_code_of(start_medseg(words, root_ / "stderr", root_ / "stdout")), 0)
        << read_file(root_ / "stderr");
    return read_file(root_ / "stdout");
  };

  std::map<std::string, nlohmann::json> measured;
  for (const auto& line : split(bench({"--json"}), '\n')) {
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["threads"], 1) << line;
    EXPECT_GE(json["value"].get<double>(), 0) << line;
    measured[json["name"].get<std::string>()] = json;
  }
  EXPECT_EQ(measured["train.step"]["runs"], 3);
  EXPECT_LE(measured["train.step"]["min"], measured["train.step"]["max"]);
  for (const char* name : {"train.step", "train.samples", "train.peak_memory", "train.gemm_peak",
                           "train.backward", "train.optimiser"}) {
    EXPECT_GT(measured[name]["value"].get<double>(), 0) << name;
  }
  // A step's parts are the step, but for what lies between them.
  double sum = 0;
  for (const auto& [name, json] : measured) {
    if (json["unit"] == "ms" && !json.value("once", true)) sum += json["value"].get<double>();
  }
  EXPECT_GT(sum, 0);
  EXPECT_GT(measured["train.backward"]["gflop"].get<double>(), 0);
  EXPECT_GT(measured["train.language forward"]["fraction_of_gemm_peak"].get<double>(), 0);

  const auto table = bench({});
  for (const char* text : {" ms a step (", " samples/s", "| backward |", "| saving (once) |"})
    EXPECT_NE(table.find(text), std::string::npos) << table;
}

}  // namespace
}  // namespace medseg::tiny
