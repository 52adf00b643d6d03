// Runs the real training loop in a temporary folder for a few steps and times its parts.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "bench.h"
#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/nn/flop_count.h"
#include "medseg/nn/precision.h"
#include "medseg/training/trainer.h"

namespace medseg {
namespace {

constexpr std::int64_t kWarm = 2;  // steps before those that are counted
constexpr std::int64_t kSide = 2048;

/// Operations per second of a large matrix product in `precision`: the best of a few.
double gemm_rate(at::ScalarType precision) {
  const at::NoGradGuard no_grad;
  const auto a = at::randn({kSide, kSide}).to(precision),
             b = at::randn({kSide, kSide}).to(precision);
  auto product = at::mm(a, b);
  double best = 0;
  for (int i = 0; i < 10; ++i) {
    const Stopwatch watch;
    at::mm_out(product, a, b);
    best = std::max(best, 2.0 * kSide * kSide * kSide / watch.seconds());
  }
  return best;
}

struct TemporaryFolder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / str_cat("medseg-bench-train-", getpid());
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

std::vector<double> step_seconds(const std::filesystem::path& metrics) {
  std::vector<double> seconds;
  for (const auto& line : split(read_file(metrics), '\n')) {
    if (!line.empty()) seconds.push_back(nlohmann::json::parse(line)["seconds"].get<double>());
  }
  seconds.erase(seconds.begin(), seconds.begin() + kWarm);
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace

void bench_train(const BenchArguments& arguments) {
  if (arguments.files.size() != 1) throw ConfigError("bench train", "name one training config");
  auto config = read_train_config(load_config(arguments.files.front(), arguments.overrides));
  auto& train_options = config.train;
  train_options.steps = kWarm + arguments.runs;
  train_options.schedule.total_steps =
      std::max(train_options.schedule.total_steps, train_options.schedule.warmup_steps + 1);
  if (!arguments.precision.empty())
    train_options.precision = choice_named<Precision>("--precision", arguments.precision);
  if (arguments.threads > 0) train_options.threads = arguments.threads;
  train_options.evaluate_every = train_options.save_every = 0;
  train_options.time_limit_s = 0;
  config.data.validation.clear();
  const auto rate = gemm_rate(dtype_of(train_options.precision));

  const TemporaryFolder folder;
  {
    const FlopCount count;
    train(config, {.out = folder.path, .resume = false, .command = "medseg bench train"});
  }
  const auto run = nlohmann::json::parse(read_file(folder.path / "run.json"));
  const auto seconds = step_seconds(folder.path / "metrics.jsonl");
  const auto samples = static_cast<double>(train_options.batch_size * train_options.accumulation);
  const auto steps = static_cast<double>(train_options.steps);
  const double median = seconds[seconds.size() / 2];
  const auto line = [&](const std::string& name, double value, const char* unit,
                        const nlohmann::ordered_json& more) {
    nlohmann::ordered_json json = {{"name", "train." + name}, {"value", value}, {"unit", unit}};
    json.update(more);
    json["threads"] = at::get_num_threads();
    json["precision"] = name_of(train_options.precision);
    if (arguments.json) std::cout << json.dump() << std::endl;
  };
  line("step", median * 1e3, "ms",
       {{"median", median * 1e3},
        {"min", seconds.front() * 1e3},
        {"max", seconds.back() * 1e3},
        {"runs", seconds.size()}});
  line("samples", samples / median, "1/s", nlohmann::ordered_json::object());
  line("peak_memory", run["peak_memory_bytes"].get<double>(), "byte",
       nlohmann::ordered_json::object());
  line("gemm_peak", rate / 1e9, "GFLOP/s", nlohmann::ordered_json::object());
  if (!arguments.json) {
    std::cout << fixed(median * 1e3, 1) << " ms a step (" << fixed(seconds.front() * 1e3, 1)
              << " to " << fixed(seconds.back() * 1e3, 1) << ", " << seconds.size() << " steps), "
              << fixed(samples / median, 2) << " samples/s, peak memory "
              << gigabytes_text(run["peak_memory_bytes"].get<std::uint64_t>()) << ", "
              << at::get_num_threads() << " threads, " << name_of(train_options.precision)
              << "; products of matrices peak at " << fixed(rate / 1e9, 0) << " GFLOP/s\n\n"
              << "| part | ms a step | peak memory | GFLOP a step | of the products' peak |\n"
              << "| --- | ---: | ---: | ---: | ---: |\n";
  }
  for (const auto& [name, part] : run["parts"].items()) {
    const bool once = name == "loading" || name == "features" || name == "saving";
    const double times = once ? 1.0 : steps;
    const double ms = part["seconds"].get<double>() / times * 1e3;
    const double gflop = part.value("flops", 0.0) / times / 1e9;
    const double fraction = ms > 0 ? gflop / (ms / 1e3) / (rate / 1e9) : 0;
    line(name, ms, "ms",
         {{"once", once},
          {"peak_memory_bytes", part["peak_memory_bytes"]},
          {"gflop", gflop},
          {"fraction_of_gemm_peak", fraction}});
    if (arguments.json) continue;
    std::cout << "| " << name << (once ? " (once)" : "") << " | " << fixed(ms, 1) << " | "
              << gigabytes_text(part["peak_memory_bytes"].get<std::uint64_t>()) << " | "
              << fixed(gflop, 1) << " | " << (gflop > 0 ? fixed(fraction, 2) : "") << " |\n";
  }
}

}  // namespace medseg
