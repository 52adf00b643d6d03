/// \file
/// From the gradients of a whole step to new weights, or to none.
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
  double grad_norm = 0;   ///< of unscaled gradients, before clipping
  double loss_scale = 1;  ///< that this step's losses were multiplied by
  bool moved = true;      ///< false: the gradients were dropped
  std::string fault;      ///< why train.non_finite dropped them: "loss_bce is nan; records a, b"
};

/// Unscale, clip, AdamW, moving average, next loss scale. What is not finite:
///   a loss                        train.non_finite decides; the scaler is not asked (another scale would not help)
///   a gradient, with loss scaling an overflow: the scaler skips the step and backs off, and the run stops once the scale
///                                 is so small that the fault cannot be one of range
///   a gradient, without           train.non_finite decides
/// "skip" drops the step's gradients and counts it in `dropped` (over the whole run, resumes included); samples are consumed
/// and the schedule goes on, as for a step that the scaler skips (grad_scaler.h).
/// \throws RunStopped "step N: …" naming the loss part or the parameter and the records.
Update apply_gradients(const TrainOptions& options, std::int64_t step, double factor,
                       const StepReport& report, AdamW& optimizer, Ema& ema, GradScaler& scaler,
                       std::int64_t& dropped);

}  // namespace medseg
