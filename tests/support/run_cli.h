/// \file
/// A command in this process, as its user meets it.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "medseg/cli/main.h"

namespace medseg {

struct Outcome {
  int code = 0;
  std::string out, err;
};

/// `words` behind "medseg".
inline Outcome run_words(std::vector<std::string> words) {
  words.insert(words.begin(), "medseg");
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_cli(static_cast<int>(arguments.size()), arguments.data());
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace medseg
