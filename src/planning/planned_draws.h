/// \file
/// The micro-batches of a run, known before it begins: the sampler is a fixed function of its seed.
#pragma once

#include <cstdint>

#include "medseg/dataloader/training_set.h"
#include "medseg/models/segmenter.h"
#include "medseg/planning/step_probe.h"
#include "medseg/training/options.h"

namespace medseg {

/// Without sizes of pictures.
struct PlannedDraws {
  StepShape largest;  ///< the one that keeps the most
  StepShape mean;
};

/// If the dialogues of the run's steps are taken `batch_size` at a time; of a long run, the first 100,000.
PlannedDraws planned_draws(const TrainConfig& config, const TrainingSet& data,
                           const Segmenter& model, std::int64_t batch_size);

/// Roughly what a micro-batch keeps, only to compare one with another.
double weight_of(const StepShape& shape, const Segmenter& model);

}  // namespace medseg
