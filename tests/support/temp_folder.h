/// \file
/// A folder of its own for a test, empty at the start and removed at the end.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include <gtest/gtest.h>
#include <unistd.h>

namespace medseg {

/// `name` and the process's id make the folder's name, so tests in several processes never meet.
class TempFolder {
 public:
  explicit TempFolder(const std::string& name,
                      const std::filesystem::path& parent = std::filesystem::temp_directory_path())
      : path_(parent / ("medseg-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& below) const {
    return path_ / below;
  }

 private:
  std::filesystem::path path_;
};

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
