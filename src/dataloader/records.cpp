#include "medseg/dataloader/records.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/pipeline/sample.h"

namespace medseg {
namespace {

std::vector<std::string> targets_of_record(const Record& record) {
  std::vector<std::string> targets;
  const auto add = [&](const std::string& target) {
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.push_back(target);
  };
  for (const RecordTurn* turn : answered_turns(record)) {
    for (const auto& target : targets_of(record, *turn)) add(target);
    if (turn->masks.empty() && !record.absent.empty()) add(kAbsentTarget);
  }
  return targets;
}

}  // namespace

ImageSource TrainingRecord::image() const {
  std::string slice;
  if (record->slice) slice = str_cat(record->slice->axis, ":", record->slice->index);
  return {manifest->folder() / record->image, str_cat(slice, " ", record->window)};
}

Manifest read_manifest(const std::string& path, OnBadSample on_bad_sample,
                       std::vector<BadSample>& left_out) {
  if (on_bad_sample == OnBadSample::kStop) return Manifest::read(path);
  std::vector<ManifestFault> faults;
  auto manifest = Manifest::read(path, faults);
  for (const auto& fault : faults)
    left_out.push_back({fault.id, path, fault.line, RecordPart::kLine, fault.what});
  return manifest;
}

TrainingRecords::TrainingRecords(const DataOptions& options, const OpenBundle& bundle)
    : options_(options) {
  for (std::size_t i = 0; i < options_.train.size(); ++i) add_source(i, bundle);
}

const Manifest& TrainingRecords::open_manifest(const std::string& path) {
  const auto known = std::find_if(manifests_.begin(), manifests_.end(),
                                  [&](const auto& manifest) { return manifest->path() == path; });
  if (known != manifests_.end()) return **known;
  return *manifests_.emplace_back(
      std::make_unique<Manifest>(read_manifest(path, options_.on_bad_sample, left_out_)));
}

TrainingRecord TrainingRecords::render(const Record& record, const OpenBundle& bundle) const {
  TrainingRecord made;
  made.record = &record;
  made.dialogue = render_record(record, bundle);
  made.dialogue.prompt.clear();  // of no use to a model; ids are what counts
  made.dialogue.prompt.shrink_to_fit();
  if (made.dialogue.answers.empty()) throw DataError("no answered turn to train on");
  const auto& labels = made.dialogue.labels;
  made.tokens = sequence_length(made.dialogue, *bundle.model);
  made.labelled = static_cast<std::int64_t>(labels.size()) -
                  std::count(labels.begin(), labels.end(), kIgnoreLabel);
  made.masks = static_cast<std::int64_t>(made.dialogue.seg_positions.size());
  made.targets = targets_of_record(record);
  return made;
}

void TrainingRecords::add_source(std::size_t source_index, const OpenBundle& bundle) {
  const DataSource& source = options_.train[source_index];
  const Manifest& manifest = open_manifest(source.manifest);
  const auto records = manifest.split(source.split);
  if (records.empty())
    throw DataError(source.manifest, "no record in split \"" + source.split + "\"");
  std::size_t dropped = 0;
  for (const Record* record : records) {
    const std::string where = str_cat(source.manifest, ":", record->line);
    TrainingRecord made;
    try {
      made = render(*record, bundle);
    } catch (DataError& error) {
      if (options_.on_bad_sample == OnBadSample::kStop) {
        error.add_place(where);
        throw;
      }
      left_out_.push_back(
          {record->id, source.manifest, record->line, RecordPart::kDialogue, error.what()});
      continue;
    }
    if (made.tokens > options_.max_tokens) {
      if (options_.long_records == LongRecords::kDrop) {
        ++dropped;
        continue;
      }
      throw DataError(where, str_cat(made.tokens, " tokens with the image, but data.max_tokens is ",
                                     options_.max_tokens));
    }
    made.manifest = &manifest;
    made.source = source_index;
    records_.push_back(std::move(made));
  }
  if (dropped > 0) {
    log_warning(str_cat(source.manifest, ": ", dropped, " of ", records.size(),
                        " records dropped, longer than ", options_.max_tokens, " tokens"));
  }
}

std::map<ImageSource, std::size_t> TrainingRecords::images() const {
  std::map<ImageSource, std::size_t> images;
  for (std::size_t i = 0; i < records_.size(); ++i) images.emplace(records_[i].image(), i);
  return images;
}

std::vector<std::pair<std::string, std::string>> TrainingRecords::manifest_hashes() const {
  std::vector<std::pair<std::string, std::string>> hashes;
  for (const auto& manifest : manifests_)
    hashes.emplace_back(manifest->path().string(), sha256_of_file(manifest->path()));
  return hashes;
}

}  // namespace medseg
