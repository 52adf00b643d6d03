/// \file
/// The records that were found bad while their images and masks were read.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "medseg/dataloader/quarantine.h"
#include "medseg/dataloader/records.h"
#include "medseg/pipeline/record_error.h"

namespace medseg {

/// Safe for several threads. A record that is bad once stays so.
class BadRecords {
 public:
  /// `records` must outlive it.
  explicit BadRecords(const TrainingRecords& records) : records_(records) {}

  /// Whether bad records are left out; else the first one ends the run, and nothing is noted here.
  bool quarantines() const { return records_.options().on_bad_sample == OnBadSample::kQuarantine; }

  BadSample note(std::size_t index, const RecordError& error);
  /// From now on these are bad, whatever their files hold.
  void note(const std::vector<BadSample>& samples);

  std::optional<BadSample> find(std::size_t index) const;
  bool has_bad_image(std::size_t index) const;
  /// In the order of the records. What loader threads have found depends on how far ahead they are.
  std::vector<BadSample> list() const;

 private:
  BadSample add(std::size_t index, BadSample sample);  ///< under the lock

  const TrainingRecords& records_;
  mutable std::mutex mutex_;
  std::map<std::size_t, BadSample> by_record_;
  std::set<ImageSource> images_;
};

}  // namespace medseg
