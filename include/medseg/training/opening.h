/// \file
/// What a run is made of before its first step: the bundle on its device, the cache's options, processes that fit the step.
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/comm/comm.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/optim/optimizer.h"
#include "medseg/pipeline/features.h"
#include "medseg/pipeline/sample.h"
#include "medseg/training/options.h"

namespace medseg {

/// \throws ConfigError "train.…" on options that this model cannot have.
void require_fit(const TrainOptions& options, const Segmenter& model);

/// Sets the threads and the seed, opens the bundle on this rank's device and readies its frozen encoders. \throws ConfigError
/// "train.…", CheckpointError.
OpenBundle open_for_training(const TrainConfig& config, const Comm& comm);

/// `keep_free_bytes`: room on the folder's disk that the run itself needs. \throws ConfigError "data.cache_dtype: …".
FeatureCacheOptions cache_options(const DataOptions& data, at::ScalarType precision,
                                  std::uint64_t keep_free_bytes);

/// `comm`, when every process has a part of the step; sets its timeout, and where training is on GPUs their group. \throws ConfigError "train.…".
Comm& checked(Comm& comm, const TrainConfig& config);

/// \throws ConfigError unless the projector trains, which train.standardise_vision is for.
void require_projector(const std::vector<TrainedParameter>& trained);

/// Of every picture's features, the same on all processes. A projector that comes trained goes on as the function it is; a
/// checkpoint's numbers (`resumed`) are of standardised features already.
void standardise_vision(OpenBundle& bundle, const TrainingSet& data, FeatureCache& features,
                        Comm& comm, bool resumed);

}  // namespace medseg
