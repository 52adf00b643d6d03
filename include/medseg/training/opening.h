/// \file
/// What a run is made of before its first step: the bundle on its device, the cache's options,
/// processes that fit the step.
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

/// Sets the threads and the seed, opens the bundle on this rank's device and makes its frozen
/// encoders ready. \throws ConfigError "train.…", CheckpointError.
OpenBundle open_for_training(const TrainConfig& config, const Comm& comm);

/// `keep_free_bytes`: room on the folder's disk that the run itself needs.
FeatureCacheOptions cache_options(const DataOptions& data, at::ScalarType precision,
                                  std::uint64_t keep_free_bytes);

/// Sets the timeout of `comm` and, where training is on GPUs, their group. \throws ConfigError
/// "train.…" unless every process has a part of the step.
void prepare_comm(Comm& comm, const TrainConfig& config);

/// \throws ConfigError unless the projector trains, which train.standardise_vision is for.
void require_projector(const std::vector<TrainedParameter>& trained);

/// With the statistics of all images, the same on all processes. A projector that comes trained
/// stays the function that it is; the numbers of a checkpoint (`resumed`) are for standardised
/// features already.
void standardise_vision(OpenBundle& bundle, TrainingSet& data, FeatureCache& features, Comm& comm,
                        bool resumed);

/// The run's sampler, with the micro-batches that this process takes, after `drawn` samples.
Sampler own_sampler(const TrainingSet& data, const TrainOptions& options, const Comm& comm,
                    std::uint64_t drawn);

}  // namespace medseg
