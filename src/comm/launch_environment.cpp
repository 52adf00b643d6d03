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
        name, str_cat("\"", *text, "\", expected a whole number from ", least, " to ", most));
  }
  return value;
}

struct Names {
  Launcher launcher;
  const char *rank, *size, *local_rank, *local_size;
};

constexpr Names kTorchrun = {Launcher::kTorchrun, "RANK", "WORLD_SIZE", "LOCAL_RANK",
                             "LOCAL_WORLD_SIZE"};
constexpr Names kOpenMpi = {Launcher::kOpenMpi, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                            "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Names kSlurm = {Launcher::kSlurm, "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID",
                          nullptr};
constexpr Names kSlurmStep = {Launcher::kSlurm, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS",
                              "SLURM_LOCALID", nullptr};

/// Nothing if this launcher has set no variables.
std::optional<LaunchEnvironment> read_by(const ReadVariable& read, const Names& names) {
  const auto rank = number(read, names.rank, 0, kMostProcesses - 1);
  const auto size = number(read, names.size, 1, kMostProcesses);
  if (!rank && !size) return std::nullopt;
  if (!rank) throw ConfigError(names.rank, str_cat("missing beside ", names.size, "=", *size));
  if (!size) throw ConfigError(names.size, str_cat("missing beside ", names.rank, "=", *rank));
  if (*rank >= *size) {
    throw ConfigError(names.rank, str_cat(*rank, ", but ", names.size, " is ", *size,
                                          ": ranks count from 0 to ", *size - 1));
  }
  const auto local = number(read, names.local_rank, 0, kMostProcesses - 1);
  if (local && *local > *rank) {
    throw ConfigError(names.local_rank,
                      str_cat(*local, ", but ", names.rank, " is ", *rank,
                              ": no process comes later on its machine than among all"));
  }
  if (names.local_size != nullptr) {
    const auto local_size = number(read, names.local_size, 1, kMostProcesses);
    if (local_size && (*local_size > *size || (local && *local >= *local_size))) {
      throw ConfigError(
          names.local_size,
          str_cat(*local_size, " contradicts ", names.size, "=", *size,
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

// Numbers from here on are no steps of srun: the batch script, an interactive shell (slurm.h).
constexpr std::int64_t kFirstSpecialStep = 0xFFFFFFF0;

bool is_step(const ReadVariable& read) {
  const auto id = number(read, "SLURM_STEP_ID", 0, INT64_MAX);
  return id ? *id < kFirstSpecialStep : read(kSlurmStep.size).has_value();
}

std::optional<LaunchEnvironment> read_slurm(const ReadVariable& read) {
  if (!is_step(read)) {
    const auto rank = number(read, kSlurm.rank, 0, kMostProcesses - 1);
    if (rank.value_or(0) == 0) return std::nullopt;
    throw ConfigError(kSlurm.rank,
                      str_cat(*rank, ", but SLURM_STEP_ID is missing: srun sets both"));
  }
  if (!read(kSlurm.rank)) return std::nullopt;
  if (read(kSlurmStep.size)) return read_by(read, kSlurmStep);
  if (!read(kSlurm.size)) return std::nullopt;
  return read_by(read, kSlurm);
}

// Variables of two launchers that disagree: one set was made by hand, or left over.
void require_same(const LaunchEnvironment& one, const Names& names,
                  const std::optional<LaunchEnvironment>& other) {
  if (!other || (one.rank == other->rank && one.size == other->size)) return;
  throw ConfigError(names.rank, str_cat(one.rank, " of ", one.size, ", but ",
                                        name_of(other->launcher), "'s variables say ", other->rank,
                                        " of ", other->size, "; unset one of the two"));
}

bool is_loopback_name(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

void read_meeting_point(const ReadVariable& read, LaunchEnvironment& found) {
  if (const auto address = read("MASTER_ADDR"); address && !address->empty())
    found.address = is_loopback_name(*address) ? "127.0.0.1" : *address;
  if (const auto port = number(read, "MASTER_PORT", 1, 65535)) {
    found.port = static_cast<std::uint16_t>(*port);
    // Two jobs on one machine then use different ports.
  } else if (found.launcher == Launcher::kSlurm) {
    const auto job = number(read, "SLURM_JOB_ID", 0, INT64_MAX).value_or(0);
    found.port = static_cast<std::uint16_t>(15000 + job % 15000);
  }
}

// Processes on other machines cannot reach this one's loopback address.
void require_reachable(const ReadVariable& read, const LaunchEnvironment& found) {
  if (!found.is_loopback()) return;
  std::int64_t machines = 1;
  if (found.launcher == Launcher::kSlurm) {
    machines = number(read, "SLURM_STEP_NUM_NODES", 1, kMostProcesses)
                   .value_or(number(read, "SLURM_NNODES", 1, kMostProcesses).value_or(1));
  } else {
    const auto* name =
        found.launcher == Launcher::kOpenMpi ? kOpenMpi.local_size : kTorchrun.local_size;
    if (number(read, name, 1, kMostProcesses).value_or(found.size) < found.size) machines = 2;
  }
  if (machines > 1) {
    throw ConfigError(
        "MASTER_ADDR",
        str_cat(read("MASTER_ADDR").value_or("missing"), ", but the ", found.size,
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
  if (!found) {
    const auto tasks = is_step(read) ? std::nullopt : number(read, kSlurm.size, 1, kMostProcesses);
    LaunchEnvironment alone;
    alone.idle_tasks = static_cast<int>(tasks.value_or(0));
    return alone;
  }
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
