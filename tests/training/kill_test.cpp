// `kill -9` and signals at any moment, also while a checkpoint is written: the run goes on to the
// same bits. MEDSEG_KILLS=50 (tests/kills.sh) kills more often than the tests' six times, and
// prints what each kill met.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/random.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/training/checkpoint.h"
#include "support/child_process.h"
#include "tiny_run.h"

extern char** environ;

namespace medseg::tiny {
namespace {

void sleep_us(std::uint64_t microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

class TrainIntegration : public TinyRun {
 protected:
  /// All that has a state: dropout, averages, replayed prompts, accumulation, loader threads,
  /// scores.
  TrainConfig config_with_everything() const {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    options.data.workers = 3;
    options.data.balance = 0.5;
    options.data.group_by_length = true;
    auto& train = options.train;
    train.batch_size = 2;
    train.accumulation = 2;
    train.precision = Precision::kBf16;
    train.lora.dropout = 0.1;
    train.ema.decay = 0.9;
    train.replay = {.masks = 2, .memory = 3};
    train.also_best = {ValidationScore::kGiou};
    train.evaluate_every = 7;
    train.save_every = 1;
    train.keep = 2;
    return options;
  }

  void write(const TrainConfig& options) const {
    write_file(root_ / "config.json", write_options(options).dump());
  }

  /// Starts or goes on with a run. A run on several processes would be started here by `medseg
  /// launch`.
  pid_t start(const fs::path& out) const {
    return start_medseg(
        {"train", (root_ / "config.json").string(), "--resume", "--out", out.string()},
        root_ / "stderr");
  }

  static bool ended(pid_t child) {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == child;
  }

  /// Until `happened`, the child's end or 60 s.
  template <class Happened>
  static void wait_for(pid_t child, const Happened& happened) {
    const Stopwatch watch;
    while (!happened() && !ended(child) && watch.seconds() < 60) sleep_us(300);
  }

  static std::uintmax_t size_of(const fs::path& file) {
    std::error_code none;
    const auto size = fs::file_size(file, none);
    return none ? 0 : size;
  }

  static bool is_saving(const fs::path& run) {
    std::error_code none;
    for (fs::directory_iterator entry(run / "checkpoints", none), end; !none && entry != end;
         entry.increment(none)) {
      if (entry->path().filename().string().starts_with(".step-")) return true;
    }
    return false;
  }

  static std::vector<fs::path> checkpoints(const fs::path& run) {
    std::vector<fs::path> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints", none)) {
      if (entry.path().filename().string().starts_with("step-")) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Step of the last line that is whole.
  static std::int64_t step_reached(const fs::path& run) {
    std::int64_t step = 0;
    if (size_of(run / "metrics.jsonl") == 0) return step;
    for (const auto& line : split(read_file(run / "metrics.jsonl"), '\n')) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (json.is_object()) step = json.value("step", step);
    }
    return step;
  }

  /// What is wrong with a checkpoint as state to go on from and as bundle; empty: nothing.
  static std::string fault_of(const fs::path& checkpoint) {
    try {
      require_whole_checkpoint(checkpoint);
      open_bundle(checkpoint);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  void expect_same_end(const fs::path& a, const fs::path& b) const {
    EXPECT_EQ(metrics(a.filename()), metrics(b.filename()));
    for (const char* link : {"last", "best", "best-giou"}) {
      EXPECT_EQ(fs::exists(a / link), fs::exists(b / link)) << link;
      if (!fs::exists(a / link)) continue;
      EXPECT_EQ(fs::read_symlink(a / link), fs::read_symlink(b / link));
      for (const char* file : {"model.safetensors", "training.safetensors"}) {
        EXPECT_EQ(sha256_of_file(a / link / file), sha256_of_file(b / link / file))
            << link << " " << file;
      }
    }
  }
};

/// Where a kill falls; each is as likely as the others.
enum class Moment { kAnywhere, kStep, kSave };

TEST_F(TrainIntegration, KilledAtRandomMomentsItReachesTheSameBits) {
  const char* wanted = std::getenv("MEDSEG_KILLS");
  const std::int64_t kills = wanted != nullptr ? std::atoll(wanted) : 6;
  auto options = config_with_everything();
  options.train.steps = 20 + 8 * kills;
  write(options);
  const auto whole = root_ / "whole", killed = root_ / "killed";
  Stopwatch watch;
  ASSERT_EQ(exit_code_of(start(whole)), 0) << read_file(root_ / "stderr");
  const double whole_seconds = watch.seconds();

  if (wanted != nullptr) {
    std::printf("%lld steps, never killed: %.1f s\n", static_cast<long long>(options.train.steps),
                whole_seconds);
    std::printf(
        "kill  aimed at   after ms  step reached  saving  checkpoints  newest   loadable\n");
  }
  RandomStream random(1, "kills");
  std::int64_t in_saves = 0;
  bool saved = false;
  watch.restart();
  for (std::int64_t kill = 1; kill <= kills; ++kill) {
    const auto moment = static_cast<Moment>(random.below(3));
    const auto before = size_of(killed / "metrics.jsonl");
    const Stopwatch life;
    const pid_t child = start(killed);
    if (moment == Moment::kAnywhere) {
      sleep_us(random.below(900'000));
    } else {
      // A run that goes on cuts its metrics first, so that a change of their length is a sign of
      // life.
      wait_for(child, [&] {
        const auto now = size_of(killed / "metrics.jsonl");
        return now > before || (now > 0 && life.seconds() > 2);
      });
      if (moment == Moment::kStep) {
        sleep_us(random.below(60'000));
      } else {
        wait_for(child, [&] { return is_saving(killed); });
        sleep_us(random.below(8'000));
      }
    }
    ::kill(child, SIGKILL);
    const double seconds = life.seconds();
    const int code = exit_code_of(child);
    ASSERT_EQ(code, -SIGKILL) << read_file(root_ / "stderr");  // the run is long enough for all

    const auto all = checkpoints(killed);
    const bool saving = is_saving(killed);
    in_saves += saving ? 1 : 0;
    saved = saved || !all.empty();
    ASSERT_TRUE(!saved || !all.empty()) << "kill " << kill << " took the checkpoints away";
    std::string faults;
    for (const auto& checkpoint : all) faults += fault_of(checkpoint);
    EXPECT_EQ(faults, "") << "kill " << kill;
    if (wanted == nullptr) continue;
    const char* names[] = {"anywhere", "a step", "a save"};
    std::printf("%4lld  %-9s  %8.0f  %12lld  %-6s  %11zu  %-7s  %s\n", static_cast<long long>(kill),
                names[static_cast<int>(moment)], seconds * 1e3,
                static_cast<long long>(step_reached(killed)), saving ? "yes" : "no", all.size(),
                all.empty() ? "-" : all.back().filename().string().substr(8).c_str(),
                all.empty() ? "none yet" : (faults.empty() ? "yes" : "NO"));
    std::fflush(stdout);
  }
  ASSERT_EQ(exit_code_of(start(killed)), 0) << read_file(root_ / "stderr");
  expect_same_end(whole, killed);
  for (const auto& entry : fs::directory_iterator(killed / "checkpoints"))
    EXPECT_TRUE(entry.path().filename().string().starts_with("step-")) << entry.path();
  if (wanted != nullptr) {
    std::printf(
        "%lld kills, %lld of them while a checkpoint was written or removed; %.1f s; final bits "
        "%s\n",
        static_cast<long long>(kills), static_cast<long long>(in_saves), watch.seconds(),
        HasFailure() ? "DIFFER" : "are those of the run that was never killed");
  }
}

// Signals may fall into an evaluation, which the run that goes on makes up for, or into the
// features.
TEST_F(TrainIntegration, StoppedAtRandomMomentsItReachesTheSameBits) {
  auto options = config_with_everything();
  options.train.steps = 60;
  options.train.evaluate_every = 2;
  options.train.save_every = 0;
  options.data.validation[0].split = "train";
  options.train.threads = 1;
  write(options);
  const auto whole = root_ / "whole", stopped = root_ / "stopped";
  ASSERT_EQ(exit_code_of(start(whole)), 0) << read_file(root_ / "stderr");
  RandomStream random(2, "signals");
  int code = -1, saved = 0;
  for (int i = 0; code != 0 && i < 40; ++i) {
    const pid_t child = start(stopped);
    const auto before = size_of(stopped / "log.txt");
    if (i < 8) {
      wait_for(child, [&] { return size_of(stopped / "log.txt") > before + 200; });
      sleep_us(random.below(250'000));
      ::kill(child, i % 2 == 0 ? SIGTERM : SIGINT);
    }
    code = exit_code_of(child);
    const int signal = i % 2 == 0 ? SIGTERM : SIGINT;
    // Before training begins nothing catches a signal: there is nothing to save.
    ASSERT_TRUE(code == 0 || code == 128 + signal || code == -signal)
        << code << read_file(root_ / "stderr");
    saved += code == 128 + signal ? 1 : 0;
  }
  EXPECT_EQ(code, 0);
  EXPECT_GT(saved, 2);
  expect_same_end(whole, stopped);
}

TEST_F(TrainIntegration, ASignalExitsWithItsCodeAndASecondOneAtOnce) {
  auto options = config();
  options.train.steps = 1000000;
  write(options);
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto run = root_ / str_cat("signal-", signal);
    const pid_t child = start(run);
    wait_for(child, [&] { return size_of(run / "metrics.jsonl") > 0; });
    ::kill(child, signal);
    EXPECT_EQ(exit_code_of(child), 128 + signal) << read_file(root_ / "stderr");
    EXPECT_TRUE(fs::exists(run / "last/training.json"));
  }
  options.train.accumulation = 1000000;  // a step without end
  write(options);
  const auto run = root_ / "endless";
  const pid_t child = start(run);
  wait_for(child, [&] { return size_of(run / "run.json") > 0; });
  sleep_us(500'000);
  ::kill(child, SIGTERM);
  sleep_us(200'000);
  EXPECT_FALSE(ended(child));  // it finishes its step
  ::kill(child, SIGINT);
  EXPECT_EQ(exit_code_of(child), -SIGINT);
}

}  // namespace
}  // namespace medseg::tiny
