/// \file
/// One process at a time.
#pragma once

#include <filesystem>

namespace medseg {

/// Holds a lock on a file of its own while it lives; the system drops it however the process ends.
class FileLock {
 public:
  /// Waits `patience_s` for another holder to go. Where the file system knows no locks, none is held.
  /// \throws ConfigError "`where`: …" naming the process that holds it; DataError if the file cannot be made.
  FileLock(const std::filesystem::path& path, const std::string& where, double patience_s = 10.0);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace medseg
