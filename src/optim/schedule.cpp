#include "medseg/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medseg {
double rate_factor(const ScheduleOptions& schedule, std::int64_t step, std::int64_t total) {
  const auto warmup = schedule.warmup_steps;
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (schedule.type == ScheduleType::kConstant) return 1.0;
  const double left = static_cast<double>(total - step) / static_cast<double>(total - warmup);
  double shape = std::clamp(left, 0.0, 1.0);
  switch (schedule.type) {
    case ScheduleType::kConstant:  // returned above
    case ScheduleType::kLinear:
      break;
    case ScheduleType::kCosine:
      shape = (1.0 - std::cos(std::numbers::pi * shape)) / 2.0;
      break;
    case ScheduleType::kPolynomial:
      shape = std::pow(shape, schedule.power);
      break;
  }
  return schedule.min_ratio + (1.0 - schedule.min_ratio) * shape;
}

}  // namespace medseg
