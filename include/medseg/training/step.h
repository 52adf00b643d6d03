/// \file
/// One micro-batch: forward, losses, backward.
#pragma once

#include <cstdint>

#include "medseg/dataloader/training_batch.h"
#include "medseg/models/grounding.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/training/options.h"
#include "medseg/training/replay.h"
#include "medseg/training/time_table.h"

namespace medseg {

/// Sums over the micro-batches of an optimiser step; each loss was divided by their number before.
struct StepReport {
  double total = 0, text = 0, bce = 0, dice = 0;
  double focal = 0, boundary = 0;  ///< 0 if they are off
  std::int64_t tokens = 0, labelled = 0, masks = 0, samples = 0;
  std::vector<std::string> ids;
  /// "loss_bce is nan; records a, b": the first part of the loss that was not finite, if the run
  /// does not stop for it.
  std::string fault;
};

/// The result of a teacher-forced pass over a micro-batch. Losses are scalars.
struct MicroBatchOutput {
  SegmenterOutput language;
  /// Undefined without a `[SEG]` token or a grounding part.
  MaskOutput masks;
  /// `total` is the weighted sum of all losses.
  at::Tensor bce, dice, total;
  /// Undefined if they are off or there is no mask.
  at::Tensor focal, boundary;
};

/// The text loss, the masks and, if the batch has true masks, their losses. Runs in the precision
/// of the caller's AutocastScope; the losses of masks in float32.
MicroBatchOutput forward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                                     const LossOptions& weights, TimeTable& times);

/// Adds the gradients of the micro-batch's loss, divided by the number of micro-batches of a step.
/// `replay` remembers its prompts, `scaler` scales the loss; both may be null. A part of the loss
/// that is not finite becomes the report's `fault`, and the caller drops the step. \throws
/// RunStopped in that case if train.non_finite is "stop".
void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay = nullptr,
                          const GradScaler* scaler = nullptr);

}  // namespace medseg
