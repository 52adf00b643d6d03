/// \file
/// Starts one command as several processes of this machine, as torchrun does, without Python.
#pragma once

#include <string>
#include <vector>

namespace medseg {

struct LaunchRequest {
  int processes = 1;
  std::vector<std::string> command;  ///< command line without the leading "medseg"
  double grace_s = 5.0;  ///< seconds for the other ranks to end by themselves once one has failed
};

/// Runs `command` in `processes` processes with torchrun's variables. Returns when all have
/// succeeded. Must be called before any thread exists, because it forks.
///
/// - The cores are divided by OMP_NUM_THREADS, unless that is set already.
/// - The store is in this process, at the loopback address. Linux kills the children with it.
/// - Rank 0 has this terminal. Lines of the others are printed with "rank 1: " in front.
/// - SIGINT, SIGTERM and SIGHUP (as SIGTERM) are passed to every rank once.
///
/// \throws Error with the exit code of the first rank that failed, which has printed its message; 5
/// naming a rank that was killed; 130 or 143 after a signal.
void launch(const LaunchRequest& request);

}  // namespace medseg
