#include "medseg/dataloader/bad_records.h"

#include <utility>

namespace medseg {

BadSample BadRecords::add(std::size_t index, BadSample sample) {
  if (sample.part == RecordPart::kImage) images_.insert(records_[index].image());
  return by_record_.emplace(index, std::move(sample)).first->second;
}

BadSample BadRecords::note(std::size_t index, const RecordError& error) {
  const Record& record = *records_[index].record;
  BadSample sample{record.id, records_[index].manifest->path().string(), record.line, error.part(),
                   error.what()};
  const auto line = sample.where() + ": ";
  if (sample.why.starts_with(line)) sample.why.erase(0, line.size());  // stands in front already
  const std::lock_guard lock(mutex_);
  return add(index, std::move(sample));
}

void BadRecords::note(const std::vector<BadSample>& samples) {
  std::map<std::pair<std::string, int>, const BadSample*> known;
  for (const auto& sample : samples) known[{sample.manifest, sample.line}] = &sample;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const auto found =
        known.find({records_[i].manifest->path().string(), records_[i].record->line});
    if (found != known.end()) add(i, *found->second);
  }
}

std::optional<BadSample> BadRecords::find(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_record_.find(index);
  return found == by_record_.end() ? std::nullopt : std::optional(found->second);
}

bool BadRecords::has_bad_image(std::size_t index) const {
  const auto image = records_[index].image();
  const std::lock_guard lock(mutex_);
  return images_.contains(image);
}

std::vector<BadSample> BadRecords::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<BadSample> all;
  for (const auto& [index, sample] : by_record_) all.push_back(sample);
  return all;
}

}  // namespace medseg
