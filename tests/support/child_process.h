/// \file
/// The program as a process of its own, for tests that stop or kill it or run several at once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace medseg {

/// Starts medseg with `words` behind it. What it says on stderr is appended to `errors`; stdout
/// goes to `output`, or where the test's own goes.
inline pid_t start_medseg(std::vector<std::string> words, const std::filesystem::path& errors,
                          const std::filesystem::path& output = {}) {
  words.insert(words.begin(), MEDSEG_BINARY);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const auto write_to = [&](int stream, const std::filesystem::path& file) {
    posix_spawn_file_actions_addopen(&actions, stream, file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
  };
  write_to(STDERR_FILENO, errors);
  if (!output.empty()) write_to(STDOUT_FILENO, output);
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, MEDSEG_BINARY, &actions, nullptr, arguments.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

/// Waits for the end; the exit code, or minus the signal that killed it.
inline int exit_code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace medseg
