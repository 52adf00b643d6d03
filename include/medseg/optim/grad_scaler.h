/// \file
/// Loss scaling for fp16: gradients too small for its range are lifted into it, and a step whose gradients left it is
/// skipped. The arithmetic is that of torch.amp.GradScaler, by the same two ATen operations (arXiv 1710.03740, section 3.2).
///
///     loss · s -> backward -> unscale (· 1/s, is all finite?) -> clip -> step, unless not -> update
///     update:  not finite  s ← s · backoff, count ← 0
///              finite      count ← count + 1; at growth_interval: s ← s · growth unless that is not finite, count ← 0
///
/// A skipped step is a step of the run like any other: its samples are consumed and the schedule goes on by step number
/// (as a PyTorch loop that calls scheduler.step() every time). It moves no weight, no moment and no step counter of AdamW,
/// and the average of weights (EMA) does not take the unmoved weights in a second time.
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
  /// `on` false: losses and gradients pass as they are.
  GradScaler(const ScalerOptions& options, bool on, at::Device device);

  bool is_on() const { return on_; }
  double loss_scale() const;  ///< 1 when off
  /// Steps that an overflow skipped, over all resumes.
  std::int64_t skipped() const;

  /// `loss` times the scale.
  at::Tensor scale(const at::Tensor& loss) const;
  /// Divides the gradients by the scale. False if one of them is not finite. Once a step, before clipping.
  bool unscale(const std::vector<TrainedParameter>& parameters);
  /// After a step, or after one that was skipped: the next scale, from what unscale() found.
  void update();

  /// "scaler.scale" float32, "scaler.growth_tracker" int32, "scaler.skipped" int64: the tensors themselves, to save or to
  /// copy into. Empty when off.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  ScalerOptions options_;
  bool on_;
  at::Tensor scale_, growth_tracker_, found_inf_, skipped_;
};

}  // namespace medseg
