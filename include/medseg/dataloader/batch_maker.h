/// \file
/// From draws to a micro-batch: records read, augmented, looked up in the cache, put side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "medseg/dataloader/quarantine.h"
#include "medseg/dataloader/sampler.h"
#include "medseg/dataloader/training_batch.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/pipeline/features.h"

namespace medseg {

/// What a loader thread makes of some draws.
struct LoadedBatch {
  /// Samples are of a batch of which the cache does not have all features yet:
  /// BatchMaker::complete.
  std::variant<std::vector<Sample>, TrainingBatch> content;
  /// Records that were drawn for it and replaced: for Quarantine::add. If they are more than it may
  /// leave out, add ends the run, and there are no samples.
  std::vector<BadSample> bad;
};

class BatchMaker {
 public:
  /// `seed` decides augmentation and what replaces bad records. All but `seed` must outlive it.
  BatchMaker(TrainingSet& data, FeatureCache& cache, std::uint64_t seed)
      : data_(data), cache_(cache), seed_(seed) {}

  /// Safe to call from several threads. Runs no encoder. A bad record is replaced, where bad
  /// records are left out, by one of its source, chosen by (seed, record, visit): the same one
  /// whatever else is loaded before or beside it. \throws RecordError on a bad record where they
  /// are not left out, DataError if no record of a source can be read.
  LoadedBatch load(const std::vector<Draw>& draws) const;

  /// Computes the features that are missing, for the thread of the training steps: one team of
  /// threads computes, and what it computes depends neither on the cache's limit nor on the number
  /// of loader threads. \pre there are samples.
  TrainingBatch complete(LoadedBatch loaded) const;

 private:
  Sample read(const Draw& draw) const;
  std::optional<Sample> read_or_replace(const Draw& draw, std::vector<BadSample>& bad) const;
  std::vector<std::size_t> replacements(const Draw& draw) const;

  TrainingSet& data_;
  FeatureCache& cache_;
  std::uint64_t seed_;
};

}  // namespace medseg
