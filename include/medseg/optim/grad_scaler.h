/// \file
/// Loss scaling for fp16: the loss is multiplied by a scale s, so that small gradients do not
/// underflow, and a step whose gradients overflow is skipped. The arithmetic is that of
/// torch.amp.GradScaler, with the same two ATen operations (arXiv 1710.03740, section 3.2).
///
///     loss · s -> backward -> unscale (gradients · 1/s) -> clip -> step if finite -> update
///     update:  not finite  s ← s · backoff, count ← 0
///              finite      count ← count + 1; at growth_interval: count ← 0 and
///                          s ← s · growth, unless that is not finite
///
/// A skipped step counts as a step of the run: its samples are consumed and the schedule goes on
/// (as in a PyTorch loop that calls scheduler.step() every time). It changes no weight, no moment
/// and no step counter of AdamW, and the moving average (EMA) is not updated.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/optim/optimizer.h"
#include "medseg/optim/options.h"

namespace medseg {

class GradScaler {
 public:
  /// With `on` false losses and gradients stay as they are.
  GradScaler(const ScalerOptions& options, bool on, at::Device device);

  bool is_on() const { return on_; }
  /// 1 when off.
  double loss_scale() const;
  /// Steps skipped because of an overflow, since the run began.
  std::int64_t skipped() const;

  /// `loss` times the scale.
  at::Tensor scale(const at::Tensor& loss) const;
  /// Divides the gradients by the scale. False if one of them is not finite. Called once a step,
  /// before clipping.
  bool unscale(const std::vector<TrainedParameter>& parameters);
  /// The scale of the next step, from what unscale() found. Called after each step, skipped or not.
  void update();

  /// "scaler.scale" float32, "scaler.growth_tracker" int32, "scaler.skipped" int64: the tensors
  /// themselves, to save them or to copy saved ones into them. Empty when off.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  ScalerOptions options_;
  bool on_;
  at::Tensor scale_, growth_tracker_, found_inf_, skipped_;
};

}  // namespace medseg
