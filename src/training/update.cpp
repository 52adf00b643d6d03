#include "medseg/training/update.h"

#include <cmath>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// fp16 ends at 2^16: a gradient that overflows at this scale is at least 2^30.
constexpr double kLeastScale = 1.0 / 16384;

std::string records_of(const StepReport& report) { return "; records " + join(report.ids, ", "); }

std::string faulty_gradient(const std::vector<TrainedParameter>& parameters) {
  for (const auto& [name, tensor] : parameters) {
    if (!tensor.grad().defined()) continue;
    const auto largest = tensor.grad().abs().max().item<double>();
    if (!std::isfinite(largest))  // nan may have a sign, which says nothing
      return str_cat("gradient of ", name, " is ", std::isnan(largest) ? "nan" : str_cat(largest));
  }
  return "norm of all gradients together is not finite";
}

// Stops the run, or counts the step as dropped and warns.
void drop(const TrainOptions& options, std::int64_t step, const std::string& fault,
          std::int64_t& dropped) {
  const auto what = str_cat("step ", step + 1, ": ", fault);
  if (options.non_finite == NonFinite::kStop) throw RunStopped(what);
  ++dropped;
  if (dropped > options.non_finite_limit) {
    throw RunStopped(str_cat(what, "; ", dropped, " steps dropped, train.non_finite_limit is ",
                             options.non_finite_limit));
  }
  log_warning(what + "; its gradients are dropped");
}

}  // namespace

Update apply_gradients(const TrainOptions& options, std::int64_t step, double factor,
                       const StepReport& report, AdamW& optimizer, Ema& ema, GradScaler& scaler,
                       std::int64_t& dropped) {
  const auto& parameters = optimizer.parameters();
  Update update;
  update.loss_scale = scaler.loss_scale();
  update.fault = report.fault;
  if (update.fault.empty()) {
    const bool in_range = scaler.unscale(parameters);
    if (!in_range && update.loss_scale < kLeastScale) {
      throw RunStopped(str_cat("step ", step + 1, ": ", faulty_gradient(parameters),
                               " at a loss scale of ", update.loss_scale, records_of(report)));
    }
    update.moved = in_range;
    if (in_range) {
      update.grad_norm = clip_gradients(parameters, options.optimizer.clip_grad_norm);
      if (!std::isfinite(update.grad_norm))
        update.fault = faulty_gradient(parameters) + records_of(report);
    }
  }
  if (!update.fault.empty()) {
    update.moved = false;
    drop(options, step, update.fault, dropped);
  }
  if (update.moved) {
    optimizer.step(factor);
    ema.update(step);
  } else {
    optimizer.drop_gradients();
  }
  if (update.fault.empty()) scaler.update();
  return update;
}

}  // namespace medseg
