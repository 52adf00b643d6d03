/// \file
/// The machine that a run was made on, for run.json and beside measurements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace medseg {

struct HostFacts {
  std::string cpu;  ///< "Intel(R) Xeon(R) Processor"; "unknown" where the system does not say
  std::int64_t cores = 0;       ///< physical; 0 where the system does not say
  std::int64_t processors = 0;  ///< that this process may run on
  std::uint64_t memory_bytes =
      0;  ///< of the machine, or the limit of this process's control group if that is less
  std::string system;             ///< "Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64"
  std::vector<std::string> gpus;  ///< names, as the NVIDIA driver lists them
};

/// `root` is "/" but in tests: below it /proc, /sys and /etc are read. Never throws: what cannot be read is unknown.
HostFacts host_facts(const std::filesystem::path& root = "/");

/// "NVIDIA H200; NVIDIA H200", or the one line that there is none, and why.
std::string gpu_text(const HostFacts& facts);

}  // namespace medseg
