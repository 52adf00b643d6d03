/// \file
/// The learning rate as a function of the step: no state, so nothing to save.
#pragma once

#include <cstdint>

#include "medseg/optim/options.h"

namespace medseg {

/// The factor on every peak rate at step t = 0, 1, … (src/README.md, choice 17), with W warm-up
/// steps:
///
///     t < W       (t + 1) / W
///     linear      m + (1 - m) (total - t) / (total - W)
///     cosine      m + (1 - m) (1 + cos(pi (t - W) / (total - W))) / 2
///     polynomial  m + (1 - m) ((total - t) / (total - W))^power, as in transformers with an end
///                 rate of m times the peak
///     constant    1
///
/// with m = min_ratio. From step `total` on it stays at m.
double rate_factor(const ScheduleOptions& schedule, std::int64_t step, std::int64_t total);

}  // namespace medseg
