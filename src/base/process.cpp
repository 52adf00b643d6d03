#include "medseg/base/process.h"

#include <algorithm>
#include <atomic>
#include <fstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "medseg/base/str.h"

namespace medseg {
namespace {

// Kept here, because begin_recent_peak() resets the kernel's value.
std::atomic<std::uint64_t> highest_before = 0;

}  // namespace

std::uint64_t recent_peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

std::uint64_t peak_memory_bytes() { return std::max(highest_before.load(), recent_peak_bytes()); }

std::uint64_t resident_memory_bytes() {
  std::uint64_t mapped = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> mapped >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void begin_recent_peak() {
  highest_before = peak_memory_bytes();
  const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  // "5" sets the peak to what is resident now (proc(5)).
  [[maybe_unused]] const auto written = write(file, "5", 1);
  close(file);
}

std::string gigabytes_text(std::uint64_t bytes) {
  return fixed(static_cast<double>(bytes) / 1e9, 2) + " GB";
}

}  // namespace medseg
