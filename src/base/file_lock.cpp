#include "medseg/base/file_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {

FileLock::FileLock(const std::filesystem::path& path, const std::string& where, double patience_s)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw DataError(path.string(), str_cat("cannot write: ", std::strerror(errno)));
  const Stopwatch watch;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return;
    if (watch.seconds() > patience_s) {
      const auto holder = trim(read_file(path));
      ::close(fd_);
      throw ConfigError(where, str_cat("process ", holder.empty() ? "?" : holder,
                                       " is at work here; end it first"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const auto own = str_cat(::getpid(), "\n");  // read only for the message above
  if (::ftruncate(fd_, 0) != 0 || ::write(fd_, own.data(), own.size()) < 0) {
  }
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace medseg
