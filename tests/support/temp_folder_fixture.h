/// \file
/// A fixture whose every test has a folder of its own.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "support/temp_folder.h"

namespace medseg {

/// The test that runs, as "Suite-name": what its folder is called.
inline std::string name_of_this_test() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + "-" + test->name();
  for (char& c : name) {
    if (c == '/') c = '-';  // of a parametrised suite
  }
  return name;
}

/// For suites whose every test needs a folder: `folder_`.
class TempFolderTest : public ::testing::Test {
 protected:
  const TempFolder temporary_{name_of_this_test()};
  const std::filesystem::path& folder_ = temporary_.path();
};

}  // namespace medseg
