/// \file
/// One micro-batch: forward, losses, backward.
#pragma once

#include <cstdint>

#include "medseg/training/options.h"
#include "medseg/training/replay.h"
#include "medseg/training/time_table.h"
#include "medseg/training/training_set.h"

namespace medseg {

/// Sums over the micro-batches of an optimiser step; losses are already divided by their number.
struct StepReport {
  double total = 0, text = 0, bce = 0, dice = 0;
  std::int64_t tokens = 0, labelled = 0, masks = 0, samples = 0;
  std::vector<std::string> ids;
};

/// Adds the gradients of this micro-batch's share of the loss; `replay` (may be null) keeps its prompts. \throws RunStopped if a part is not finite.
void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay = nullptr);

}  // namespace medseg
