/// \file
/// One micro-batch: forward, losses, backward.
#pragma once

#include <cstdint>

#include "medseg/dataloader/training_set.h"
#include "medseg/models/grounding.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/training/options.h"
#include "medseg/training/replay.h"
#include "medseg/training/time_table.h"

namespace medseg {

/// Sums over the micro-batches of an optimiser step; losses are already divided by their number.
struct StepReport {
  double total = 0, text = 0, bce = 0, dice = 0;
  double focal = 0, boundary = 0;  ///< 0 too where they are off
  std::int64_t tokens = 0, labelled = 0, masks = 0, samples = 0;
  std::vector<std::string> ids;
  /// "loss_bce is nan; records a, b": the first part that was not finite, where the run goes on all the same.
  std::string fault;
};

/// What a teacher-forced pass over a micro-batch gives.
struct MicroBatchOutput {
  SegmenterOutput language;
  MaskOutput masks;             ///< undefined without a `[SEG]` or a grounding part
  at::Tensor bce, dice, total;  ///< scalars; `total` is the weighted sum with the text loss
  at::Tensor focal, boundary;   ///< scalars; undefined where they are off or there is no mask
};

/// Text loss, masks and, where the batch has truths, their losses, in the precision of the caller's AutocastScope (the
/// masks' losses in float32).
MicroBatchOutput forward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                                     const LossOptions& weights, TimeTable& times);

/// Adds the gradients of this micro-batch's share of the loss; `replay` (may be null) keeps its prompts, `scaler` (may be
/// null) scales the loss. A part that is not finite becomes the report's `fault`, and the step is for dropping.
/// \throws RunStopped instead, when train.non_finite is "stop".
void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay = nullptr,
                          const GradScaler* scaler = nullptr);

}  // namespace medseg
