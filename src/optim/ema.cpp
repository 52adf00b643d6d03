#include "medseg/optim/ema.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace medseg {

Ema::Ema(double decay, const std::vector<TrainedParameter>& parameters) : decay_(decay) {
  if (!on()) return;
  parameters_ = parameters;
  for (const auto& parameter : parameters_) averages_.push_back(parameter.tensor.detach().clone());
}

void Ema::update(std::int64_t step) {
  if (!on()) return;
  const at::NoGradGuard no_grad;
  const auto t = static_cast<double>(step);
  const double decay = std::min(decay_, (1.0 + t) / (10.0 + t));
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    averages_[i].lerp_(parameters_[i].tensor, 1.0 - decay);
}

void Ema::swap() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    auto value = parameters_[i].tensor;
    const auto kept = value.clone();
    value.copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Ema::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (std::size_t i = 0; i < averages_.size(); ++i)
    state.emplace_back("ema." + parameters_[i].name, averages_[i]);
  return state;
}

}  // namespace medseg
