/// \file
/// The sizes of the micro-batches that a run will draw: the sampler is a fixed function of its
/// seed.
#pragma once

#include <cstdint>

#include "medseg/dataloader/training_set.h"
#include "medseg/models/segmenter.h"
#include "medseg/planning/step_probe.h"
#include "medseg/training/options.h"

namespace medseg {

/// Sizes of images are not set.
struct PlannedDraws {
  /// The micro-batch with the largest rough_size.
  StepShape largest;
  StepShape mean;
};

/// The micro-batches if they have `batch_size` dialogues each; of a long run the first 100,000.
PlannedDraws planned_draws(const TrainConfig& config, const TrainingSet& data,
                           const Segmenter& model, std::int64_t batch_size);

/// How much memory a micro-batch keeps, roughly and in no unit: to compare one with another.
double rough_size(const StepShape& shape, const Segmenter& model);

}  // namespace medseg
