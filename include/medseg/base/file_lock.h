/// \file
/// Lets one process at a time work in a folder.
#pragma once

#include <filesystem>

namespace medseg {

/// Holds a lock on its own file while it exists. The system drops it however the process ends.
class FileLock {
 public:
  /// Waits at most `patience_s` for another holder. If the file system has no locks, none is held.
  /// \throws ConfigError at `where` with the process that holds it; DataError if the file cannot be
  /// made.
  FileLock(const std::filesystem::path& path, const std::string& where, double patience_s = 10.0);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace medseg
