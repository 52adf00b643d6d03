#include "medseg/metrics/failure.h"

namespace medseg {
namespace {

bool reaches_half(const OverlapCounts& counts) {
  return counts.union_() > 0 && 2 * counts.intersection >= counts.union_();
}

bool fits_another(const ReplayTurn& turn, const ReplayItem& item) {
  const PackedMask& mask = turn.predicted[item.index];
  for (std::size_t r = 0; r < turn.reference.size(); ++r) {
    if (r != item.index && reaches_half(count_overlap(mask, turn.reference[r]))) return true;
  }
  return false;
}

}  // namespace

Failure failure_of(const Replay& replay, const ReplayItem& item) {
  const auto& turn = replay.turn_of(item);
  if (turn.failed) return Failure::kFailed;
  if (item.missing) return Failure::kNoSeg;
  if (item.counts.predicted == 0) return Failure::kEmptyMask;
  const bool half = reaches_half(item.counts);
  if (!half && fits_another(turn, item)) return Failure::kWrongStructure;
  if (item.counts.intersection == 0) return Failure::kWrongPlace;
  const bool poor = 4 * item.counts.intersection < item.counts.predicted + item.counts.reference;
  return poor ? Failure::kPoorOverlap : Failure::kFound;
}

}  // namespace medseg
