/// \file
/// The parts of a run, opened and ready for its first step.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "claimed_run.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/comm/comm.h"
#include "medseg/dataloader/batch_maker.h"
#include "medseg/dataloader/quarantine.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/optim/ema.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/optim/gradient_buckets.h"
#include "medseg/optim/optimizer.h"
#include "medseg/pipeline/features.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/frozen_storage.h"
#include "medseg/training/replay.h"
#include "medseg/training/run_view.h"
#include "validation.h"

namespace medseg {

struct OpenedRun {
  /// Loads model and data and, where the run is resumed, the state of its checkpoint; else begins
  /// the folder. The order of the members is the order in which torch's generator is drawn from.
  /// All arguments must outlive it. \throws ConfigError, DataError, CheckpointError.
  OpenedRun(const TrainConfig& config, const TrainRequest& request, Comm& comm,
            ClaimedRun& claimed);

  at::ScalarType precision;
  OpenBundle bundle;
  AdamW optimizer;
  GradientBuckets buckets;
  Ema ema;
  GradScaler scaler;
  FrozenStorage frozen;
  TrainingSet data;
  FeatureCache features;
  BatchMaker batches;
  MaskReplay replay;
  Validation validation;
  Quarantine quarantine;
  RunView view;
  Progressed done;
  bool resumed = false;

  /// All records that are known to be bad so far.
  std::vector<BadSample> bad_records() const;

 private:
  void resume(RunFolder& folder, std::int64_t step);
};

/// The beginning of run.json; logs what trains, on what, and what the run will see of its data.
nlohmann::json describe_run(const OpenedRun& run, const TrainConfig& config,
                            const TrainRequest& request, const Comm& comm);

}  // namespace medseg
