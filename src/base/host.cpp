#include "medseg/base/host.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <sched.h>
#include <sys/utsname.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

// The part after `separator` of the first line that begins with `key`, without spaces and quotes.
std::string value_of(const std::string& text, std::string_view key, char separator) {
  for (const auto& line : split(text, '\n')) {
    const auto at = line.find(separator);
    if (at == std::string::npos || trim(line.substr(0, at)) != key) continue;
    auto value = trim(line.substr(at + 1));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return value;
  }
  return "";
}

std::uint64_t number_in(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Number of different pairs of socket and core.
std::int64_t physical_cores(const std::string& cpuinfo) {
  std::set<std::pair<std::string, std::string>> cores;
  std::size_t at = 0;
  while (at < cpuinfo.size()) {  // one block per processor
    const auto end = std::min(cpuinfo.find("\n\n", at), cpuinfo.size());
    const auto block = cpuinfo.substr(at, end - at);
    const auto core = value_of(block, "core id", ':');
    if (!core.empty()) cores.emplace(value_of(block, "physical id", ':'), core);
    at = end + 2;
  }
  return static_cast<std::int64_t>(cores.size());
}

std::int64_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

std::uint64_t memory(const fs::path& root) {
  const std::uint64_t whole =
      number_in(value_of(text_of(root / "proc/meminfo"), "MemTotal", ':')) * 1024;
  // cgroup v2, then v1. "max" and absurdly high numbers mean no limit.
  for (const char* file :
       {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const auto limit = number_in(trim(text_of(root / file)));
    if (limit > 0) return whole > 0 ? std::min(whole, limit) : limit;
  }
  return whole;
}

std::string system_text(const fs::path& root) {
  auto name = value_of(text_of(root / "etc/os-release"), "PRETTY_NAME", '=');
  utsname kernel{};
  if (::uname(&kernel) != 0) return name;
  return str_cat(name.empty() ? "" : name + ", ", kernel.sysname, " ", kernel.release, " ",
                 kernel.machine);
}

std::vector<std::string> gpu_names(const fs::path& root) {
  std::set<fs::path> folders;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(root / "proc/driver/nvidia/gpus", none))
    folders.insert(entry.path());
  std::vector<std::string> names;
  for (const auto& folder : folders) {
    const auto model = value_of(text_of(folder / "information"), "Model", ':');
    names.push_back(model.empty() ? "NVIDIA GPU " + folder.filename().string() : model);
  }
  return names;
}

}  // namespace

HostFacts host_facts(const fs::path& root) {
  const auto cpuinfo = text_of(root / "proc/cpuinfo");
  HostFacts facts;
  facts.cpu = value_of(cpuinfo, "model name", ':');
  if (facts.cpu.empty()) facts.cpu = "unknown";
  facts.cores = physical_cores(cpuinfo);
  facts.processors = usable_processors();
  facts.memory_bytes = memory(root);
  facts.system = system_text(root);
  facts.gpus = gpu_names(root);
  return facts;
}

std::string gpu_text(const HostFacts& facts) {
  if (!facts.gpus.empty()) return join(facts.gpus, "; ");
  return "none (no GPU in /proc/driver/nvidia/gpus)";
}

}  // namespace medseg
