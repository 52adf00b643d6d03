/// \file
/// How often each record comes: weights of the sources, balance of targets, weight of absent turns.
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/dataloader/records.h"
#include "medseg/dataloader/sampler.h"

namespace medseg {

struct Visits {
  /// Visits of each record per epoch. Where sources have epochs of their own (data.mixing), targets
  /// are balanced within the source.
  std::vector<double> of_records;
  /// Shares of the draws, by source, in sum 1; empty where all sources are one ("concatenate").
  std::vector<double> shares;
};

/// \throws ConfigError if nothing would ever be visited, or a source that has a share never.
Visits plan_visits(const TrainingRecords& records);

/// The sampler of all processes together.
SamplerOptions sampler_options(const TrainingRecords& records, const Visits& visits,
                               std::int64_t batch_size, std::uint64_t seed);

}  // namespace medseg
