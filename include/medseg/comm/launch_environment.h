/// \file
/// Which of several processes this one is, as its launcher says.
///
/// The first launcher in this order that has set its variables counts:
///
/// - torchrun, medseg launch: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE. With
///   TORCHELASTIC_USE_AGENT_STORE the launcher serves the store and every rank is its client.
/// - OpenMPI: OMPI_COMM_WORLD_RANK, …_SIZE, …_LOCAL_RANK, …_LOCAL_SIZE
/// - Slurm (srun): SLURM_PROCID, SLURM_STEP_NUM_TASKS or SLURM_NTASKS, SLURM_LOCALID, where
///   SLURM_STEP_ID or SLURM_STEP_NUM_TASKS says that srun started a step. Without a step (a batch
///   script, salloc) the program was started once and runs alone, however many tasks it might have.
///
/// OpenMPI comes before Slurm, because mpirun starts its own daemons by srun and the Slurm
/// variables of a process are those of its daemon. The same holds for torchrun's agents. All
/// processes meet at MASTER_ADDR:MASTER_PORT; the address is 127.0.0.1 unless MASTER_ADDR says
/// otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "medseg/base/choice.h"

namespace medseg {

/// The program that started this process as one of several.
enum class Launcher { kNone, kTorchrun, kOpenMpi, kSlurm };
template <>
struct Choice<Launcher> {
  static constexpr ChoiceNames<Launcher, 4> names = {{{Launcher::kNone, ""},
                                                      {Launcher::kTorchrun, "torchrun"},
                                                      {Launcher::kOpenMpi, "OpenMPI"},
                                                      {Launcher::kSlurm, "Slurm"}}};
};

struct LaunchEnvironment {
  Launcher launcher = Launcher::kNone;
  int rank = 0, size = 1, local_rank = 0;
  std::string address = "127.0.0.1";
  std::uint16_t port = 29500;
  bool store_is_there = false;  ///< the launcher serves the store; otherwise rank 0 does
  std::string session;          ///< keeps attempts apart that meet at the same store
  int idle_tasks = 0;  ///< of a Slurm allocation in which no srun started this process; 0: none

  bool is_loopback() const { return address == "127.0.0.1"; }
};

using ReadVariable = std::function<std::optional<std::string>(const std::string&)>;

/// \throws ConfigError at the variable if it is not a number, missing or contradicts another.
LaunchEnvironment read_launch_environment(const ReadVariable& read);
/// The same, from the variables of this process.
LaunchEnvironment read_launch_environment();

}  // namespace medseg
