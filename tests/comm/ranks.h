/// \file
/// Ranks are processes of this test program: launch() starts it with a filter that selects a test
/// Rank.*, which does nothing elsewhere.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "medseg/base/str.h"
#include "medseg/comm/connect.h"
#include "medseg/comm/launch.h"
#include "medseg/comm/together.h"

namespace medseg {

inline constexpr double kTimeout = 4.0;

/// The body of a rank, in a process of its own.
class Rank : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("MEDSEG_COMM_TEST") == nullptr) GTEST_SKIP() << "a part of the tests of Comm";
    at::set_num_threads(1);
    environment_ = read_launch_environment();
  }

  // As run_cli does. It ends the process, so that gtest does not change the exit code.
  [[noreturn]] void together(const std::function<void(Comm&)>& work) {
    int code = 0;
    try {
      const auto comm = connect(environment_, kTimeout);
      try {
        run_together(*comm, [&] {
          work(*comm);
          if (::testing::Test::HasFailure()) throw Error(1, "", "expectations failed");
        });
      } catch (const Error& error) {
        if (*error.what() != '\0') std::fprintf(stderr, "medseg: %s\n", error.what());
        code = error.exit_code();
      }
    } catch (const Error& error) {
      std::fprintf(stderr, "medseg: %s\n", error.what());
      code = error.exit_code();
    }
    std::fflush(stderr);
    std::fflush(stdout);
    std::exit(code);
  }

  LaunchEnvironment environment_;
};

class CommTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / str_cat("medseg-comm-", ::getpid());
    std::filesystem::create_directories(folder_);
    ::setenv("MEDSEG_COMM_TEST", folder_.c_str(), 1);
    ::setenv("OMP_NUM_THREADS", "1", 1);
  }
  void TearDown() override {
    ::unsetenv("MEDSEG_COMM_TEST");
    std::filesystem::remove_all(folder_);
  }

  struct Outcome {
    int code = 0;
    std::string what, err;
  };
  static Outcome launched(int processes, const std::string& rank, double grace_s = 20.0) {
    Outcome outcome;
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    try {
      launch(
          {.processes = processes, .command = {"--gtest_filter=Rank." + rank}, .grace_s = grace_s});
    } catch (const Error& error) {
      outcome.code = error.exit_code();
      outcome.what = error.what();
    }
    ::testing::internal::GetCapturedStdout();
    for (const auto& line : split(::testing::internal::GetCapturedStderr(), '\n')) {
      const auto said = line.find("medseg: ");
      if (said != std::string::npos) outcome.err += line + "\n";
    }
    return outcome;
  }

  static pid_t spawn(const std::string& rank,
                     const std::vector<std::pair<std::string, std::string>>& variables) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    const auto filter = "--gtest_filter=Rank." + rank;
    ::execl("/proc/self/exe", "comm_test", filter.c_str(), nullptr);
    ::_exit(127);
  }
  static int finish(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::filesystem::path folder_;
};

}  // namespace medseg
