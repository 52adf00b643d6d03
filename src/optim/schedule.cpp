#include "medseg/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medseg {

double rate_factor(const ScheduleOptions& schedule, std::int64_t step, std::int64_t total) {
  const auto warmup = schedule.warmup_steps;
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (schedule.type == "constant") return 1.0;
  const double left = static_cast<double>(total - step) / static_cast<double>(total - warmup);
  const double fraction = std::clamp(left, 0.0, 1.0);
  const double shape = schedule.type == "cosine"
                           ? (1.0 - std::cos(std::numbers::pi * fraction)) / 2.0
                       : schedule.type == "polynomial" ? std::pow(fraction, schedule.power)
                                                       : fraction;
  return schedule.min_ratio + (1.0 - schedule.min_ratio) * shape;
}

}  // namespace medseg
