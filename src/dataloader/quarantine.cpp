#include "medseg/dataloader/quarantine.h"

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

nlohmann::ordered_json json_of(const BadSample& sample) {
  return {{"id", sample.id},
          {"manifest", sample.manifest},
          {"line", sample.line},
          {"part", name_of(sample.part)},
          {"why", sample.why}};
}

}  // namespace

std::string BadSample::where() const { return str_cat(manifest, ":", line); }

nlohmann::json bad_samples_json(const std::vector<BadSample>& samples) {
  auto list = nlohmann::json::array();
  for (const auto& sample : samples) list.push_back(nlohmann::json(json_of(sample)));
  return list;
}

std::vector<BadSample> bad_samples_of(const nlohmann::json& json) {
  std::vector<BadSample> samples;
  for (const auto& item : json) {
    samples.push_back({item.at("id").get<std::string>(), item.at("manifest").get<std::string>(),
                       item.at("line").get<int>(),
                       choice_named<RecordPart>("part", item.at("part").get<std::string>()),
                       item.at("why").get<std::string>()});
  }
  return samples;
}

Quarantine::Quarantine(std::int64_t limit, std::filesystem::path file, bool writes)
    : limit_(limit), file_(std::move(file)), writes_(writes) {}

void Quarantine::add(const std::vector<BadSample>& samples) {
  for (const auto& sample : samples) {
    if (!known_.emplace(sample.manifest, sample.line).second) continue;
    list_.push_back(sample);
    if (static_cast<std::int64_t>(list_.size()) <= limit_) {
      log_warning(str_cat(sample.where(), ": ", sample.why, "; left out (", list_.size(),
                          " of at most ", limit_, ")"));
    }
  }
  write();
  check_limit();
}

void Quarantine::check_limit() const {
  if (static_cast<std::int64_t>(list_.size()) <= limit_) return;
  const auto& beyond = list_[static_cast<std::size_t>(limit_)];
  throw DataError(beyond.where(), str_cat(beyond.why, "; ", list_.size(),
                                          " records are bad, more than data.quarantine_limit ",
                                          limit_, "; all are in ", file_.string()));
}

void Quarantine::restore(std::vector<BadSample> samples) {
  list_ = std::move(samples);
  known_.clear();
  for (const auto& sample : list_) known_.emplace(sample.manifest, sample.line);
  written_ = 0;
  std::error_code ignored;
  if (writes_) std::filesystem::remove(file_, ignored);
  write();
  check_limit();
}

void Quarantine::write() {
  if (!writes_ || written_ == list_.size()) return;
  std::string lines;
  for (auto i = written_; i < list_.size(); ++i)
    lines += (lines.empty() ? "" : "\n") + json_of(list_[i]).dump();
  try {
    append_line(file_, lines);
    written_ = list_.size();
  } catch (const DataError& error) {
    log_warning(str_cat(error.what(), "; its lines wait for room"));
  }
}

}  // namespace medseg
