/// \file
/// Several processes of one command on this machine, as torchrun starts them, without Python.
#pragma once

#include <string>
#include <vector>

namespace medseg {

struct LaunchRequest {
  int processes = 1;
  std::vector<std::string> command;  ///< words behind "medseg"
  double grace_s = 5.0;  ///< that the other ranks have to end by themselves once one has failed
};

/// Runs `command` in `processes` processes with torchrun's variables and returns when all have ended well. Call it before any
/// thread exists: it forks.
///   The cores are divided: OMP_NUM_THREADS, unless it is set already.
///   The store stands in this process, on the loopback address. Processes that outlive it are killed by the system.
///   Rank 0 has this terminal; lines of the others come with "rank 1: " before them. SIGINT, SIGTERM and SIGHUP (as SIGTERM)
///   reach every rank once.
/// \throws Error with the exit code of the first rank that failed (its own line has been printed); 5 naming a rank that was
/// killed; 130 or 143 after a signal.
void launch(const LaunchRequest& request);

}  // namespace medseg
