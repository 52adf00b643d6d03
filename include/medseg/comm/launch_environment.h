/// \file
/// Which of several processes this one is, as its launcher says.
///
/// In this order, the first that says anything counts:
///
///     torchrun, medseg launch   RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE; TORCHELASTIC_USE_AGENT_STORE: the launcher
///                               holds the store, and every rank is its client
///     OpenMPI                   OMPI_COMM_WORLD_RANK, …_SIZE, …_LOCAL_RANK, …_LOCAL_SIZE
///     Slurm (srun)              SLURM_PROCID, SLURM_STEP_NUM_TASKS or SLURM_NTASKS, SLURM_LOCALID
///
/// OpenMPI comes before Slurm, whose variables in a process started by mpirun are those of mpirun's own daemon; the same
/// holds for torchrun's agents. All meet at MASTER_ADDR:MASTER_PORT: 127.0.0.1 unless MASTER_ADDR says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace medseg {

struct LaunchEnvironment {
  std::string launcher;  ///< "torchrun", "OpenMPI", "Slurm"; empty: one process alone
  int rank = 0, size = 1, local_rank = 0;
  std::string address = "127.0.0.1";
  std::uint16_t port = 29500;
  bool store_is_there = false;  ///< a launcher serves it; otherwise rank 0 does
  std::string session;          ///< tells attempts apart that meet at the same store

  bool is_loopback() const { return address == "127.0.0.1"; }
};

using ReadVariable = std::function<std::optional<std::string>(const std::string&)>;

/// \throws ConfigError "RANK: …" on a value that is no number, is missing beside another, or contradicts another.
LaunchEnvironment read_launch_environment(const ReadVariable& read);
/// Of this process.
LaunchEnvironment read_launch_environment();

}  // namespace medseg
