#include "medseg/dataloader/coverage.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"

namespace medseg {
namespace {

// Share of padding among the positions of all batches, were they padded. `visits`, if wanted,
// counts the draws of each sample.
double padding_of(const SamplerOptions& options, std::int64_t draws,
                  std::vector<std::int64_t>* visits = nullptr) {
  Sampler sampler(options);
  double positions = 0, used = 0;
  for (std::int64_t drawn = 0; drawn < draws;) {
    const auto count = std::min(options.batch_size, draws - drawn);
    std::int64_t longest = 0;
    for (const auto& draw : sampler.next(static_cast<std::size_t>(count))) {
      const auto length = options.lengths[draw.sample];
      longest = std::max(longest, length);
      used += static_cast<double>(length);
      if (visits != nullptr) ++(*visits)[draw.sample];
    }
    positions += static_cast<double>(longest * count);
    drawn += count;
  }
  return positions > 0 ? 1.0 - used / positions : 0.0;
}

std::string percent(double share) { return fixed(100.0 * share, 1) + " %"; }

}  // namespace

Coverage cover(const TrainingSet& data, const SamplerOptions& sampler, std::int64_t draws) {
  Coverage coverage;
  coverage.draws = draws;
  coverage.batch_size = sampler.batch_size;
  std::vector<std::int64_t> visits(data.records.size(), 0);
  coverage.padding = coverage.ungrouped_padding = padding_of(sampler, draws, &visits);
  if (sampler.group_by_length) {
    auto ungrouped = sampler;
    ungrouped.group_by_length = false;
    coverage.ungrouped_padding = padding_of(ungrouped, draws);
  }
  for (const auto& source : data.records.options().train) {
    SourceCoverage covered;
    covered.manifest = source.manifest;
    covered.split = source.split;
    covered.weight = source.weight;
    coverage.sources.push_back(covered);
  }
  for (std::size_t i = 0; i < data.records.size(); ++i) {
    const TrainingRecord& record = data.records[i];
    auto& source = coverage.sources[record.source];
    ++source.records;
    source.turns += static_cast<std::int64_t>(answered_turns(*record.record).size());
    source.masks += record.masks;
    source.draws += visits[i];
    if (visits[i] == 0) ++source.never_seen;
  }
  for (auto& source : coverage.sources) {
    if (draws > 0) source.share = static_cast<double>(source.draws) / static_cast<double>(draws);
    if (source.records > 0)
      source.epochs = static_cast<double>(source.draws) / static_cast<double>(source.records);
  }
  return coverage;
}

std::vector<std::string> target_lines(const TrainingSet& data) {
  std::map<std::string, std::pair<std::int64_t, double>> by_target;
  double visits = 0;
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 0; i < data.records.size(); ++i) {
    visits += data.visits.of_records[i];
    lengths.push_back(data.records[i].tokens);
    for (const auto& target : data.records[i].targets) {
      ++by_target[target].first;
      by_target[target].second += data.visits.of_records[i];
    }
  }
  const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
  std::vector<std::string> lines = {
      str_cat("data: ", data.records.size(), " records of ", by_target.size(), " targets, ",
              fixed(visits, 1), " visits an epoch, ", *shortest, " to ", *longest, " tokens")};
  for (const auto& [target, counts] : by_target) {
    lines.push_back(str_cat("  ", target, ": ", counts.first, " records, ", fixed(counts.second, 1),
                            " visits"));
  }
  return lines;
}

std::vector<std::string> coverage_lines(const Coverage& coverage) {
  std::vector<std::string> lines;
  for (const auto& source : coverage.sources) {
    lines.push_back(str_cat("  ", source.manifest, " ", source.split, ": ", source.records,
                            " records, ", source.turns, " turns, ", source.masks, " masks; weight ",
                            source.weight, ", ", percent(source.share), " of ", coverage.draws,
                            " draws, ", fixed(source.epochs, 2), " epochs, ", source.never_seen,
                            " never seen"));
  }
  auto padding = str_cat("  padding: none, batches are packed; padded to its longest, a batch of ",
                         coverage.batch_size, " would be ", percent(coverage.padding), " padding");
  if (coverage.padding != coverage.ungrouped_padding)
    padding += ", " + percent(coverage.ungrouped_padding) + " without data.group_by_length";
  lines.push_back(padding);
  return lines;
}

nlohmann::json coverage_json(const Coverage& coverage) {
  auto sources = nlohmann::json::array();
  for (const auto& source : coverage.sources) {
    sources.push_back({{"manifest", source.manifest},
                       {"split", source.split},
                       {"weight", source.weight},
                       {"records", source.records},
                       {"turns", source.turns},
                       {"masks", source.masks},
                       {"draws", source.draws},
                       {"share", source.share},
                       {"epochs", source.epochs},
                       {"never_seen", source.never_seen}});
  }
  return {{"draws", coverage.draws},
          {"sources", sources},
          {"padding", coverage.padding},
          {"padding_ungrouped", coverage.ungrouped_padding}};
}

}  // namespace medseg
