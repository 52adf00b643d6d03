/// \file
/// The training loop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "medseg/comm/comm.h"
#include "medseg/training/options.h"

namespace medseg {

struct TrainRequest {
  std::filesystem::path out;  ///< the run folder
  bool resume = false;        ///< go on from its newest checkpoint; without any, start
  std::string command;        ///< for run.json
  std::int64_t profile = 0;   ///< so many steps go into trace.json (step_profile.h); 0: none
};

/// Trains until train.steps (or the time limit) and leaves a run folder (run_folder.h). After the
/// last step it evaluates and saves. `best` is the checkpoint with the highest score on the
/// validation sources, the last one where there are none. A save that fails on the way is logged
/// and tried again; the checkpoints before it stay.
/// \throws RunStopped if a loss or gradient is not finite and train.non_finite does not let it pass
/// (update.h; naming step, part and records; the last checkpoint stays); Error 130 or 143 after
/// SIGINT or SIGTERM: a step under way is finished and saved, an evaluation is left to the run that
/// goes on; ConfigError, DataError (also when the disk has no room for one checkpoint, or for the
/// last one); CheckpointError (also when `resume` finds checkpoints, but none that is whole).
void train(const TrainConfig& config, const TrainRequest& request);

/// On several processes, one call each, with the same arguments. They divide the micro-batches of
/// every step, the masks of replay and the records of an evaluation; the step is that of one
/// process, up to the rounding of sums, and rank 0 writes. All take the same decisions: a signal,
/// fault or limit that one meets counts for all.
/// \throws also PeerLost; ConfigError where there are fewer micro-batches or GPUs than processes.
void train(const TrainConfig& config, const TrainRequest& request, Comm& comm);

}  // namespace medseg
