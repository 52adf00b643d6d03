/// \file
/// A checkpoint: a bundle with everything a run needs to go on bit for bit.
///
///     training.json         step, samples drawn, steps dropped, records quarantined, best scores and their steps, what the step
///                           still owes, seconds so far
///     training.safetensors  param.NAME (float32), exp_avg.NAME, exp_avg_sq.NAME, step.NAME, ema.NAME, replay.TARGET,
///                           with fp16 scaler.scale, scaler.growth_tracker, scaler.skipped
///     SHA256SUMS            of all other files, as `sha256sum -c` reads it
///
/// Random numbers need no saving: every step seeds torch's generator from (seed, step), and samples follow from `drawn`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "medseg/dataloader/quarantine.h"
#include "medseg/optim/ema.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/optim/optimizer.h"
#include "medseg/training/frozen_storage.h"

namespace medseg {

/// Where a score was highest so far.
struct BestScore {
  std::int64_t step = 0;
  double score = -1;
};

struct Progressed {
  std::int64_t step = 0;     ///< optimiser steps done
  std::uint64_t drawn = 0;   ///< samples consumed
  std::int64_t dropped = 0;  ///< steps whose gradients train.non_finite dropped
  std::vector<BadSample> quarantined;
  std::optional<std::int64_t> best_step;
  double best_score = -1;
  std::map<std::string, BestScore> also_best;  ///< of train.also_best, by score
  bool owes_evaluation = false;  ///< a signal came before the evaluation that is due at `step`
  double seconds = 0;            ///< of training, over all resumes
};

/// Appears whole or not at all. The bundle holds the averages where there are any; parts that trained leave its
/// `initialised` list. \throws DataError if it cannot be written; older checkpoints are untouched then.
void save_checkpoint(const std::filesystem::path& folder, OpenBundle& bundle, FrozenStorage& frozen,
                     const AdamW& optimizer, Ema& ema, const GradScaler& scaler,
                     const Progressed& progress, const nlohmann::json& config,
                     const std::vector<std::pair<std::string, at::Tensor>>& replay = {});

/// What a checkpoint of this run will take on the disk.
std::uint64_t checkpoint_bytes(OpenBundle& bundle, const AdamW& optimizer, const Ema& ema,
                               const GradScaler& scaler);

/// \throws CheckpointError "FILE: …" unless every file has the bytes that it was saved with (in a checkpoint without
/// SHA256SUMS: unless state and step can be read).
void require_whole_checkpoint(const std::filesystem::path& folder);

/// Copies the state into optimiser, averages, scaler and model. \throws CheckpointError if it does not fit.
Progressed load_checkpoint(const std::filesystem::path& folder, AdamW& optimizer, Ema& ema,
                           GradScaler& scaler);

/// The prompts that MaskReplay kept, "replay.TARGET"; none when it was off.
std::vector<std::pair<std::string, at::Tensor>> load_replay(const std::filesystem::path& folder);

}  // namespace medseg
