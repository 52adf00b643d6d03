#include "medseg/optim/grad_scaler.h"

#include <ATen/ATen.h>

namespace medseg {

GradScaler::GradScaler(const ScalerOptions& options, bool on, at::Device device)
    : options_(options), on_(on) {
  if (!on_) return;
  const auto fp32 = at::TensorOptions(at::kFloat).device(device);
  scale_ = at::full({}, options.init_scale, fp32);
  growth_tracker_ = at::zeros({}, fp32.dtype(at::kInt));
  found_inf_ = at::zeros({}, fp32);
  skipped_ = at::zeros({}, at::kLong);
}

double GradScaler::loss_scale() const { return on_ ? scale_.item<double>() : 1.0; }

std::int64_t GradScaler::skipped() const { return on_ ? skipped_.item<std::int64_t>() : 0; }

at::Tensor GradScaler::scale(const at::Tensor& loss) const { return on_ ? loss * scale_ : loss; }

bool GradScaler::unscale(const std::vector<TrainedParameter>& parameters) {
  if (!on_) return true;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) {
    if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
  }
  found_inf_.zero_();
  if (gradients.empty()) return true;
  const auto inverse = scale_.to(at::kDouble).reciprocal().to(at::kFloat);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, inverse);
  return found_inf_.item<float>() == 0.0F;
}

void GradScaler::update() {
  if (!on_) return;
  const at::NoGradGuard no_grad;
  if (found_inf_.item<float>() != 0.0F) skipped_.add_(1);
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf_, options_.growth, options_.backoff,
                         options_.growth_interval);
}

std::vector<std::pair<std::string, at::Tensor>> GradScaler::state() const {
  if (!on_) return {};
  return {{"scaler.scale", scale_},
          {"scaler.growth_tracker", growth_tracker_},
          {"scaler.skipped", skipped_}};
}

}  // namespace medseg
