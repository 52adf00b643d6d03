#include "medseg/dataloader/batch_maker.h"

#include <algorithm>
#include <set>
#include <string>

#include <ATen/core/grad_mode.h>

#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/pipeline/augment.h"

namespace medseg {
namespace {

std::size_t count_records(const std::vector<BadSample>& samples) {
  std::set<std::string> lines;
  for (const auto& sample : samples) lines.insert(sample.where());
  return lines.size();
}

}  // namespace

// What augmentation does to a visit follows from (seed, record, visit).
Sample BatchMaker::read(const Draw& draw) const {
  const TrainingRecord& drawn = data_.records[draw.sample];
  const Record& record = *drawn.record;
  auto sample = read_sample(*drawn.manifest, record, drawn.dialogue, data_.bundle);
  augment(data_.records.options().augment, record,
          RandomStream(seed_, "data.augment:" + record.id, draw.visit), sample);
  find_features(sample, cache_);
  return sample;
}

// Other records of the source, in the order in which they are tried.
std::vector<std::size_t> BatchMaker::replacements(const Draw& draw) const {
  const TrainingRecord& drawn = data_.records[draw.sample];
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < data_.records.size(); ++i) {
    const auto& other = data_.records[i];
    if (other.source == drawn.source && data_.visits.of_records[i] > 0 &&
        other.record != drawn.record)
      others.push_back(i);
  }
  RandomStream(seed_, "data.replacement:" + drawn.record->id, draw.visit).shuffle(others);
  return others;
}

// None: `bad` has more than the limit allows.
std::optional<Sample> BatchMaker::read_or_replace(const Draw& draw,
                                                  std::vector<BadSample>& bad) const {
  if (!data_.bad.quarantines()) return read(draw);
  const auto limit = static_cast<std::size_t>(data_.records.options().quarantine_limit);
  Draw tried = draw;
  std::optional<std::vector<std::size_t>> others;
  for (std::size_t next = 0;; ++next) {
    if (const auto known = data_.bad.find(tried.sample)) {
      bad.push_back(*known);
    } else {
      try {
        return read(tried);
      } catch (const RecordError& error) {
        bad.push_back(data_.bad.note(tried.sample, error));
      }
    }
    if (count_records(bad) > limit) return {};
    if (!others) others = replacements(draw);
    if (next == others->size()) {
      throw DataError(bad.back().where(), str_cat(bad.back().why, "; of the ", others->size() + 1,
                                                  " records of its source none can be read"));
    }
    tried.sample = (*others)[next];
  }
}

LoadedBatch BatchMaker::load(const std::vector<Draw>& draws) const {
  const at::NoGradGuard no_grad;
  LoadedBatch loaded;
  std::vector<Sample> samples;
  for (const auto& draw : draws) {
    auto sample = read_or_replace(draw, loaded.bad);
    if (!sample) return loaded;
    samples.push_back(std::move(*sample));
    if (samples.back().features != nullptr) samples.back().image = {};  // has served its purpose
  }
  const bool whole = std::all_of(samples.begin(), samples.end(),
                                 [](const Sample& sample) { return sample.features != nullptr; });
  if (whole)
    loaded.content = make_training_batch(samples, *data_.bundle.model, cache_.precision());
  else
    loaded.content = std::move(samples);
  return loaded;
}

TrainingBatch BatchMaker::complete(LoadedBatch loaded) const {
  if (auto* whole = std::get_if<TrainingBatch>(&loaded.content)) return std::move(*whole);
  const at::NoGradGuard no_grad;
  auto& samples = std::get<std::vector<Sample>>(loaded.content);
  MEDSEG_CHECK(!samples.empty(), "a batch without samples");
  for (auto& sample : samples) compute_features(sample, cache_);
  return make_training_batch(samples, *data_.bundle.model, cache_.precision());
}

}  // namespace medseg
