/// \file
/// A checkpoint: a bundle, and the state with which a run resumes bit for bit.
///
///     training.json         step, samples drawn, steps dropped, records quarantined, best scores
///                           and their steps, whether an evaluation is due, seconds so far
///     training.safetensors  param.NAME (float32), exp_avg.NAME, exp_avg_sq.NAME, step.NAME,
///                           ema.NAME, replay.TARGET; with fp16 scaler.scale,
///                           scaler.growth_tracker, scaler.skipped
///     SHA256SUMS            of all other files, as `sha256sum -c` reads it
///
/// The state of random generators is not saved: every step seeds torch's generator from (seed,
/// step), and the order of samples follows from the number of those drawn.
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

/// The highest value of a score so far, and its step.
struct BestScore {
  std::int64_t step = 0;
  double score = -1;
};

/// How far a run is.
struct Progressed {
  std::int64_t step = 0;     ///< optimiser steps done
  std::uint64_t drawn = 0;   ///< samples consumed
  std::int64_t dropped = 0;  ///< steps whose gradients train.non_finite dropped
  std::vector<BadSample> quarantined;
  std::optional<std::int64_t> best_step;
  double best_score = -1;
  /// Of the scores in train.also_best, by their names.
  std::map<std::string, BestScore> also_best;
  /// The evaluation that is due after `step` was not done: a signal came first.
  bool owes_evaluation = false;
  /// Of training, since the run began.
  double seconds = 0;
};

/// The folder appears complete or not at all. If there are averages, the bundle holds them instead
/// of the parameters. Trained parameters leave the bundle's `initialised` list. `replay`: the state
/// of MaskReplay. \throws DataError if it cannot be written; older checkpoints stay as they are.
void save_checkpoint(const std::filesystem::path& folder, OpenBundle& bundle, FrozenStorage& frozen,
                     const AdamW& optimizer, Ema& ema, const GradScaler& scaler,
                     const Progressed& progress, const nlohmann::json& config,
                     const std::vector<std::pair<std::string, at::Tensor>>& replay = {});

/// Bytes on the disk of a checkpoint of this run.
std::uint64_t checkpoint_bytes(OpenBundle& bundle, const AdamW& optimizer, const Ema& ema,
                               const GradScaler& scaler);

/// \throws CheckpointError unless every file has the bytes that it was saved with. Without
/// SHA256SUMS it is enough that training.json and the header of training.safetensors can be read.
void require_whole_checkpoint(const std::filesystem::path& folder);

/// Copies the saved state into optimiser, averages, scaler and model. \throws CheckpointError if it
/// is damaged or another model's.
Progressed load_checkpoint(const std::filesystem::path& folder, AdamW& optimizer, Ema& ema,
                           GradScaler& scaler);

/// The saved state of MaskReplay, "replay.TARGET"; empty if replay was off.
std::vector<std::pair<std::string, at::Tensor>> load_replay(const std::filesystem::path& folder);

}  // namespace medseg
