#include "medseg/base/process.h"

#include <sys/resource.h>

#include "medseg/base/str.h"

namespace medseg {

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

std::string gigabytes_text(std::uint64_t bytes) {
  return fixed(static_cast<double>(bytes) / 1e9, 2) + " GB";
}

}  // namespace medseg
