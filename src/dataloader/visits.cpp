#include "medseg/dataloader/visits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

bool concatenates(const DataOptions& options) { return options.mixing == Mixing::kConcatenate; }

// Of each record, before targets are balanced.
double weight_of(const TrainingRecords& records, std::size_t index) {
  const auto& options = records.options();
  return concatenates(options) ? options.train[records[index].source].weight : 1.0;
}

// Balances the targets of an epoch, which has the records `indices`.
void set_visits(const TrainingRecords& records, const std::vector<std::size_t>& indices,
                std::vector<double>& visits) {
  const auto& options = records.options();
  std::map<std::string, double> counts;
  for (const auto i : indices) {
    for (const auto& target : records[i].targets) counts[target] += weight_of(records, i);
  }
  double commonest = 0;
  for (const auto& [target, count] : counts) commonest = std::max(commonest, count);
  for (const auto i : indices) {
    visits[i] = weight_of(records, i);
    double rarest = commonest;
    bool absent = false;
    for (const auto& target : records[i].targets) {
      rarest = std::min(rarest, counts[target]);
      absent = absent || target == kAbsentTarget;
    }
    if (rarest > 0) visits[i] *= std::pow(commonest / rarest, options.balance);
    if (absent) visits[i] *= options.absent_weight;
  }
}

std::vector<double> visits_of_records(const TrainingRecords& records) {
  const auto& options = records.options();
  const bool one_epoch = concatenates(options);
  std::vector<double> visits(records.size(), 0.0);
  std::vector<std::vector<std::size_t>> epochs(one_epoch ? 1 : options.train.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    epochs[one_epoch ? 0 : records[i].source].push_back(i);
  double reachable = 0;
  for (std::size_t e = 0; e < epochs.size(); ++e) {
    set_visits(records, epochs[e], visits);
    double total = 0;
    for (const auto i : epochs[e]) total += visits[i];
    const double weight = one_epoch ? 1.0 : options.train[e].weight;
    if (!one_epoch && weight > 0 && !(total > 0)) {
      throw ConfigError(str_cat("data.train[", e, "]"),
                        str_cat("no record of ", options.train[e].manifest, " is ever visited"));
    }
    reachable += weight * total;
  }
  if (!(reachable > 0))
    throw ConfigError("data.train", "every weight is 0, or every record was dropped");
  return visits;
}

std::vector<double> shares_of_sources(const TrainingRecords& records) {
  const auto& options = records.options();
  if (concatenates(options)) return {};
  std::vector<double> shares(options.train.size(), 0.0);
  for (std::size_t s = 0; s < shares.size(); ++s) shares[s] = options.train[s].weight;
  if (options.mixing == Mixing::kTemperature) {
    std::vector<double> sizes(shares.size(), 0.0);
    for (const auto& record : records) ++sizes[record.source];
    for (std::size_t s = 0; s < shares.size(); ++s)
      shares[s] = options.train[s].weight * std::pow(sizes[s], options.mixing_alpha);
  }
  double total = 0;
  for (const double share : shares) total += share;
  for (double& share : shares) share /= total;
  return shares;
}

}  // namespace

Visits plan_visits(const TrainingRecords& records) {
  return {.of_records = visits_of_records(records), .shares = shares_of_sources(records)};
}

SamplerOptions sampler_options(const TrainingRecords& records, const Visits& visits,
                               std::int64_t batch_size, std::uint64_t seed) {
  SamplerOptions options;
  options.visits = visits.of_records;
  options.batch_size = batch_size;
  options.shuffle = records.options().shuffle;
  options.group_by_length = records.options().group_by_length;
  options.seed = seed;
  options.shares = visits.shares;
  for (const auto& record : records) {
    options.lengths.push_back(record.tokens);
    options.sources.push_back(record.source);
  }
  return options;
}

}  // namespace medseg
