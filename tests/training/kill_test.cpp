// `kill -9` at any moment, also while a checkpoint is written: the run goes on to the same bits.
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "medseg/base/random.h"
#include "tiny_run.h"

extern char** environ;

namespace medseg::tiny {
namespace {

class TrainIntegration : public TinyRun {
 protected:
  pid_t start(const fs::path& out) const {
    std::vector<std::string> words = {MEDSEG_BINARY, "train", (root_ / "config.json").string(),
                                      "--resume",    "--out", out.string()};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (root_ / "stderr").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    pid_t child = 0;
    EXPECT_EQ(posix_spawn(&child, MEDSEG_BINARY, &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return child;
  }

  static int finish(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
};

TEST_F(TrainIntegration, KilledAtRandomMomentsItReachesTheSameBits) {
  auto options = config();
  options.train.steps = 40;
  options.train.accumulation = 2;
  options.train.save_every = 1;
  options.train.keep = 2;
  options.train.lora.dropout = 0.1;
  options.data.workers = 2;
  write_file(root_ / "config.json", write_options(options).dump());
  ASSERT_EQ(finish(start(root_ / "whole")), 0) << read_file(root_ / "stderr");

  RandomStream random(1, "kills");
  int kills = 0, code = -1;
  for (int attempt = 0; attempt < 60 && code != 0; ++attempt) {
    const pid_t child = start(root_ / "killed");
    if (kills < 10) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200 + random.below(500)));
      ::kill(child, SIGKILL);
    }
    code = finish(child);
    ASSERT_TRUE(code == 0 || code == -SIGKILL) << code << read_file(root_ / "stderr");
    kills += code == 0 ? 0 : 1;
  }
  EXPECT_EQ(code, 0);
  EXPECT_GT(kills, 2);
  EXPECT_EQ(metrics("whole"), metrics("killed"));
  for (const char* file : {"model.safetensors", "training.safetensors"}) {
    EXPECT_EQ(read_file(root_ / "whole/last" / file), read_file(root_ / "killed/last" / file))
        << file;
  }
}

TEST_F(TrainIntegration, ASignalExitsWithItsCode) {
  auto options = config();
  options.train.steps = 1000000;
  write_file(root_ / "config.json", write_options(options).dump());
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto run = root_ / str("signal-", signal);
    const pid_t child = start(run);
    for (int i = 0; i < 2000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::error_code none;
      if (fs::exists(run / "metrics.jsonl") && fs::file_size(run / "metrics.jsonl", none) > 0)
        break;
    }
    ::kill(child, signal);
    EXPECT_EQ(finish(child), 128 + signal) << read_file(root_ / "stderr");
    EXPECT_TRUE(fs::exists(run / "last/training.json"));
  }
}

}  // namespace
}  // namespace medseg::tiny
