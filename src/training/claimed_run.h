/// \file
/// All that can be refused before the model and the data are loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "medseg/comm/comm.h"
#include "medseg/training/options.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/trainer.h"

namespace medseg {

/// A run folder that this run may write to, and the step after which the run goes on. A folder that
/// is made for a run which never begins is removed again.
class ClaimedRun {
 public:
  /// Keeps other processes out of the folder. All processes together.
  /// \throws ConfigError if another process is at work there, if a run with checkpoints stands
  /// there and is not to be resumed, or if its config is another; CheckpointError if none of its
  /// checkpoints is whole; DataError if the folder cannot be written or the disk has no room for
  /// one checkpoint.
  ClaimedRun(const TrainConfig& config, const TrainRequest& request, Comm& comm);
  RunFolder& folder() { return folder_; }
  /// Of the checkpoint that the run goes on from; none for a new run.
  std::optional<std::int64_t> resume_step() const { return resume_step_; }

 private:
  class MadeFolder {
   public:
    explicit MadeFolder(std::filesystem::path path) : path_(std::move(path)) {}
    ~MadeFolder();  ///< removes the folder, unless it holds more than the lock
    MadeFolder(const MadeFolder&) = delete;
    MadeFolder& operator=(const MadeFolder&) = delete;

   private:
    std::filesystem::path path_;
  };

  RunFolder folder_;
  std::optional<MadeFolder> made_;  ///< where the folder was not there before
  std::optional<std::int64_t> resume_step_;
};

}  // namespace medseg
