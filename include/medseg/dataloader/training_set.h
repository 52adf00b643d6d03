/// \file
/// What a run trains on, opened: its records, how often each comes, and which are bad.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/dataloader/bad_records.h"
#include "medseg/dataloader/options.h"
#include "medseg/dataloader/records.h"
#include "medseg/dataloader/visits.h"
#include "medseg/image/image.h"

namespace medseg {

struct TrainingSet {
  /// `bundle` must outlive it. \throws as TrainingRecords and plan_visits.
  TrainingSet(const DataOptions& options, const OpenBundle& opened)
      : bundle(opened), records(options, opened), visits(plan_visits(records)), bad(records) {}

  const OpenBundle& bundle;
  const TrainingRecords records;
  const Visits visits;
  BadRecords bad;
};

/// The image of a record. Where it is bad and bad records are left out, `data.bad` notes it and
/// there is none. \throws RecordError where they are not left out.
std::optional<Image> image_of(TrainingSet& data, std::size_t index);

struct ImageSizes {
  std::vector<std::pair<int, int>> some;  ///< width and height, evenly spread over all images
  std::int64_t images = 0;                ///< how many there are
};
/// Reads `most` images at most.
ImageSizes image_sizes(TrainingSet& data, std::size_t most);

}  // namespace medseg
