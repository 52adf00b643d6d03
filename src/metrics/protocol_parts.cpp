#include "protocol_parts.h"

namespace medseg {

double mean_of(const std::vector<double>& values) {
  if (values.empty()) return kNan;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double share_of(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? kNan : static_cast<double>(part) / static_cast<double>(whole);
}

double plain_iou(const OverlapCounts& counts) {
  return share_of(counts.intersection, counts.union_());
}

double plain_dice(const OverlapCounts& counts) {
  return share_of(2 * counts.intersection, counts.predicted + counts.reference);
}

PackedMask union_of(const std::vector<PackedMask>& masks, const GridSize& size) {
  PackedMask all(size);
  for (const auto& mask : masks) all |= mask;
  return all;
}

std::vector<OverlapCounts> absent_counts(const Replay& replay) {
  std::vector<OverlapCounts> counts;
  for (const auto& turn : replay.turns()) {
    if (turn.asks_absent)
      counts.push_back({.predicted = union_of(turn.predicted, turn.size()).area()});
  }
  return counts;
}

Matrix iou_matrix(const std::vector<PackedMask>& rows, const std::vector<PackedMask>& columns,
                  double empty) {
  Matrix iou(rows.size(), columns.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const auto counts = count_overlap(rows[r], columns[c]);
      iou.at(r, c) = counts.union_() == 0 ? empty : plain_iou(counts);
    }
  }
  return iou;
}

ItemGroups items_by(const Replay& replay,
                    const std::function<std::string(const ReplayItem&)>& name) {
  ItemGroups groups;
  for (std::size_t i = 0; i < replay.items().size(); ++i)
    groups[name(replay.items()[i])].push_back(i);
  return groups;
}

void add_groups(const Replay& replay, const GroupMetrics& metrics, ProtocolResult& result,
                bool phrasing) {
  const auto fill = [&](const ItemGroups& groups, std::map<std::string, GroupResult>& results) {
    for (const auto& [name, items] : groups)
      results[name] = {static_cast<std::int64_t>(items.size()), metrics(items)};
  };
  fill(items_by(replay, [&](const auto& item) { return replay.target_of(item); }),
       result.by_target);
  fill(items_by(replay, [&](const auto& item) { return replay.turn_of(item).modality; }),
       result.by_modality);
  if (!phrasing) return;
  fill(items_by(replay, [&](const auto& item) { return replay.turn_of(item).phrasing; }),
       result.by_phrasing);
  result.by_phrasing.erase("");
}

}  // namespace medseg
