/// \file
/// A checkpoint: a bundle with everything a run needs to go on bit for bit.
///
///     training.json         step, samples drawn, steps dropped, best score and its step, the part of the run done so far
///     training.safetensors  param.NAME (float32), exp_avg.NAME, exp_avg_sq.NAME, step.NAME, ema.NAME, replay.TARGET,
///                           with fp16 scaler.scale, scaler.growth_tracker, scaler.skipped
///
/// Random numbers need no saving: every step seeds torch's generator from (seed, step), and samples follow from `drawn`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "medseg/training/grad_scaler.h"
#include "medseg/training/optimizer.h"
#include "medseg/training/trained.h"

namespace medseg {

struct Progressed {
  std::int64_t step = 0;     ///< optimiser steps done
  std::uint64_t drawn = 0;   ///< samples consumed
  std::int64_t dropped = 0;  ///< steps whose gradients train.non_finite dropped
  std::optional<std::int64_t> best_step;
  double best_score = -1;
  double seconds = 0;  ///< of training, over all resumes
};

/// Appears whole or not at all. The bundle holds the averages where there are any; parts that trained leave its
/// `initialised` list. \throws DataError if it cannot be written; older checkpoints are untouched then.
void save_checkpoint(const std::filesystem::path& folder, OpenBundle& bundle, FrozenStorage& frozen,
                     const AdamW& optimizer, Ema& ema, const GradScaler& scaler,
                     const Progressed& progress, const nlohmann::json& config,
                     const std::vector<std::pair<std::string, at::Tensor>>& replay = {});

/// Copies the state into optimiser, averages, scaler and model. \throws CheckpointError if it does not fit.
Progressed load_checkpoint(const std::filesystem::path& folder, AdamW& optimizer, Ema& ema,
                           GradScaler& scaler);

/// The prompts that MaskReplay kept, "replay.TARGET"; none when it was off.
std::vector<std::pair<std::string, at::Tensor>> load_replay(const std::filesystem::path& folder);

}  // namespace medseg
