/// \file
/// What a run sees of its data: counted before it starts, by drawing every sample that it will draw
/// without loading any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/dataloader/sampler.h"
#include "medseg/dataloader/training_set.h"

namespace medseg {

struct SourceCoverage {
  std::string manifest, split;
  double weight = 0;
  std::int64_t records = 0, turns = 0, masks = 0;  ///< answered turns, and `[SEG]` in them
  std::int64_t draws = 0;
  double share = 0;             ///< of all draws
  double epochs = 0;            ///< draws / records
  std::int64_t never_seen = 0;  ///< records that are not drawn once
};

struct Coverage {
  std::vector<SourceCoverage> sources;
  std::int64_t draws = 0, batch_size = 1;
  double padding = 0;            ///< share of padding, were batches padded to their longest; 0 to 1
  double ungrouped_padding = 0;  ///< the same without data.group_by_length
};

/// Of the first `draws` draws of a sampler with these options. Records that turn out bad while they
/// are loaded are not known yet.
Coverage cover(const TrainingSet& data, const SamplerOptions& sampler, std::int64_t draws);

/// "data: 1273 records of 23 targets …" and, for each target, its records and visits: for the log.
std::vector<std::string> target_lines(const TrainingSet& data);
/// A line a source, and one about padding: for the log.
std::vector<std::string> coverage_lines(const Coverage& coverage);
/// For run.json.
nlohmann::json coverage_json(const Coverage& coverage);

}  // namespace medseg
