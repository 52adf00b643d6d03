/// \file
/// Facts about the machine of a run, for run.json and for measurements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace medseg {

struct HostFacts {
  std::string cpu;         ///< "Intel(R) Xeon(R) Processor"; "unknown" if the system does not tell
  std::int64_t cores = 0;  ///< physical ones; 0 if the system does not tell
  std::int64_t processors = 0;  ///< that this process may use
  /// Of the machine, or the limit of this process's control group if that is less.
  std::uint64_t memory_bytes = 0;
  std::string system;             ///< "Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64"
  std::vector<std::string> gpus;  ///< names from the NVIDIA driver
};

/// `root` is "/" except in tests: /proc, /sys and /etc below it are read. Never throws; what cannot
/// be read is unknown.
HostFacts host_facts(const std::filesystem::path& root = "/");

/// "NVIDIA H200; NVIDIA H200", or one line that says why there is none.
std::string gpu_text(const HostFacts& facts);

}  // namespace medseg
