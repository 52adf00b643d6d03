/// \file
/// A folder of its own for a test, empty at the start and removed at the end. Suites whose every test
/// needs one derive from TempFolderTest (temp_folder_fixture.h).
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

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

}  // namespace medseg
