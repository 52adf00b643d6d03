/// \file
/// One update of the weights from the gradients of a whole step.
#pragma once

#include <cstdint>
#include <string>

#include "medseg/optim/ema.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/optim/optimizer.h"
#include "medseg/training/options.h"
#include "medseg/training/step.h"

namespace medseg {

struct Update {
  double grad_norm = 0;   ///< of the unscaled gradients, before clipping
  double loss_scale = 1;  ///< by which this step's losses were multiplied
  bool moved = true;      ///< false: the gradients were dropped, and no weight changed
  /// "loss_bce is nan; records a, b" if train.non_finite dropped the gradients.
  std::string fault;
};

/// Unscales and clips the gradients, takes a step of AdamW, updates the moving average and the loss
/// scale. If something is not finite:
///
///     a loss                          train.non_finite decides; the loss scale stays
///     a gradient, with loss scaling   the scaler skips the step and lowers the scale; the run
///                                     stops once the scale is so low that it is no overflow
///     a gradient, without             train.non_finite decides
///
/// "skip" drops the gradients of the step and counts it in `dropped`, the number of dropped steps
/// since the run began. Its samples are consumed and the schedule goes on, as for a step that the
/// scaler skips (grad_scaler.h). \throws RunStopped "step N: …" naming the part of the loss or the
/// parameter, and the records.
Update apply_gradients(const TrainOptions& options, std::int64_t step, double factor,
                       const StepReport& report, AdamW& optimizer, Ema& ema, GradScaler& scaler,
                       std::int64_t& dropped);

}  // namespace medseg
