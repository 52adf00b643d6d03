#include "medseg/comm/launch_environment.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kMostProcesses = 1 << 16;

std::optional<std::int64_t> number(const ReadVariable& read, const std::string& name,
                                   std::int64_t least, std::int64_t most) {
  const auto text = read(name);
  if (!text || text->empty()) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc{} || stop != end || value < least || value > most) {
    throw ConfigError(
        str_cat(name, ": \"", *text, "\", expected a whole number from ", least, " to ", most));
  }
  return value;
}

struct Names {
  const char *launcher, *rank, *size, *local_rank, *local_size;
};

constexpr Names kTorchrun = {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Names kOpenMpi = {"OpenMPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                            "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Names kSlurm = {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr};
constexpr Names kSlurmStep = {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
                              nullptr};

/// Nothing if this launcher says nothing.
std::optional<LaunchEnvironment> read_by(const ReadVariable& read, const Names& names) {
  const auto rank = number(read, names.rank, 0, kMostProcesses - 1);
  const auto size = number(read, names.size, 1, kMostProcesses);
  if (!rank && !size) return std::nullopt;
  if (!rank) throw ConfigError(str_cat(names.rank, ": missing beside ", names.size, "=", *size));
  if (!size) throw ConfigError(str_cat(names.size, ": missing beside ", names.rank, "=", *rank));
  if (*rank >= *size) {
    throw ConfigError(str_cat(names.rank, ": ", *rank, ", but ", names.size, " is ", *size,
                              ": ranks count from 0 to ", *size - 1));
  }
  const auto local = number(read, names.local_rank, 0, kMostProcesses - 1);
  if (local && *local > *rank) {
    throw ConfigError(str_cat(names.local_rank, ": ", *local, ", but ", names.rank, " is ", *rank,
                              ": no process comes later on its machine than among all"));
  }
  if (names.local_size != nullptr) {
    const auto local_size = number(read, names.local_size, 1, kMostProcesses);
    if (local_size && (*local_size > *size || (local && *local >= *local_size))) {
      throw ConfigError(
          str_cat(names.local_size, ": ", *local_size, " contradicts ", names.size, "=", *size,
                  local ? str_cat(", ", names.local_rank, "=", *local) : std::string()));
    }
  }
  LaunchEnvironment found;
  found.launcher = names.launcher;
  found.rank = static_cast<int>(*rank);
  found.size = static_cast<int>(*size);
  found.local_rank = static_cast<int>(local.value_or(0));
  return found;
}

std::optional<LaunchEnvironment> read_slurm(const ReadVariable& read) {
  if (!read(kSlurm.rank)) return std::nullopt;  // inside an allocation, but not started by srun
  if (read(kSlurmStep.size)) return read_by(read, kSlurmStep);
  if (!read(kSlurm.size)) return std::nullopt;  // a batch script that asked for no tasks
  return read_by(read, kSlurm);
}

// Variables set by hand beside those of another launcher: whoever set them, somebody is wrong.
void require_same(const LaunchEnvironment& one, const Names& names,
                  const std::optional<LaunchEnvironment>& other) {
  if (!other || (one.rank == other->rank && one.size == other->size)) return;
  throw ConfigError(str_cat(names.rank, ": ", one.rank, " of ", one.size, ", but ", other->launcher,
                            "'s variables say ", other->rank, " of ", other->size,
                            "; unset one of the two"));
}

bool is_loopback_name(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

void read_meeting_point(const ReadVariable& read, LaunchEnvironment& found) {
  if (const auto address = read("MASTER_ADDR"); address && !address->empty())
    found.address = is_loopback_name(*address) ? "127.0.0.1" : *address;
  if (const auto port = number(read, "MASTER_PORT", 1, 65535)) {
    found.port = static_cast<std::uint16_t>(*port);
  } else if (found.launcher == "Slurm") {  // jobs that share a machine do not meet
    const auto job = number(read, "SLURM_JOB_ID", 0, INT64_MAX).value_or(0);
    found.port = static_cast<std::uint16_t>(15000 + job % 15000);
  }
}

// Processes on other machines cannot meet at this one's loopback address.
void require_reachable(const ReadVariable& read, const LaunchEnvironment& found) {
  if (!found.is_loopback()) return;
  std::int64_t machines = 1;
  if (found.launcher == "Slurm") {
    machines = number(read, "SLURM_STEP_NUM_NODES", 1, kMostProcesses)
                   .value_or(number(read, "SLURM_NNODES", 1, kMostProcesses).value_or(1));
  } else {
    const auto* name = found.launcher == "OpenMPI" ? kOpenMpi.local_size : kTorchrun.local_size;
    if (number(read, name, 1, kMostProcesses).value_or(found.size) < found.size) machines = 2;
  }
  if (machines > 1) {
    throw ConfigError(
        str_cat("MASTER_ADDR: ", read("MASTER_ADDR").value_or("missing"), ", but the ", found.size,
                " processes run on several machines; name one that all reach, that of rank 0"));
  }
}

}  // namespace

LaunchEnvironment read_launch_environment(const ReadVariable& read) {
  auto found = read_by(read, kTorchrun);
  if (found) {
    if (!read("TORCHELASTIC_RUN_ID")) {
      const auto mpi = read_by(read, kOpenMpi);
      require_same(*found, kTorchrun, mpi);
      if (!mpi) require_same(*found, kTorchrun, read_slurm(read));
    }
    found->store_is_there = read("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
    found->session = str_cat(read("TORCHELASTIC_RUN_ID").value_or(""), ".",
                             read("TORCHELASTIC_RESTART_COUNT").value_or("0"));
  }
  if (!found) found = read_by(read, kOpenMpi);
  if (!found) found = read_slurm(read);
  if (!found) return {};
  read_meeting_point(read, *found);
  if (found->size > 1 && !found->store_is_there) require_reachable(read, *found);
  return *found;
}

LaunchEnvironment read_launch_environment() {
  return read_launch_environment([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  });
}

}  // namespace medseg
