#include "medseg/metrics/components.h"

#include <algorithm>

#include "medseg/metrics/assignment.h"

namespace medseg {
namespace {

struct Step {
  std::int64_t z, y, x;
};

std::vector<Step> steps_of(Connectivity connectivity) {
  std::vector<Step> steps;
  for (std::int64_t z = -1; z <= 1; ++z) {
    for (std::int64_t y = -1; y <= 1; ++y) {
      for (std::int64_t x = -1; x <= 1; ++x) {
        const auto axes = z * z + y * y + x * x;
        if (axes == 1 || (axes > 1 && connectivity == Connectivity::kCorners))
          steps.push_back({z, y, x});
      }
    }
  }
  return steps;
}

PackedMask piece_at(std::int64_t first, const PackedMask& mask, const std::vector<Step>& steps,
                    PackedMask& seen) {
  const auto& size = mask.size();
  PackedMask piece(size);
  std::vector<std::int64_t> open = {first};
  seen.set(first);
  while (!open.empty()) {
    const std::int64_t index = open.back();
    open.pop_back();
    piece.set(index);
    const std::int64_t z = index / (size[1] * size[2]), y = index / size[2] % size[1],
                       x = index % size[2];
    for (const auto& step : steps) {
      const std::int64_t nz = z + step.z, ny = y + step.y, nx = x + step.x;
      if (nz < 0 || ny < 0 || nx < 0 || nz >= size[0] || ny >= size[1] || nx >= size[2]) continue;
      const std::int64_t next = (nz * size[1] + ny) * size[2] + nx;
      if (!mask.at(next) || seen.at(next)) continue;
      seen.set(next);
      open.push_back(next);
    }
  }
  return piece;
}

}  // namespace

std::vector<PackedMask> connected_pieces(const PackedMask& mask, Connectivity connectivity) {
  const auto steps = steps_of(connectivity);
  PackedMask seen(mask.size());
  std::vector<PackedMask> pieces;
  for (std::int64_t i = 0; i < mask.cells(); ++i) {
    if (mask.at(i) && !seen.at(i)) pieces.push_back(piece_at(i, mask, steps, seen));
  }
  return pieces;
}

InstanceScores cvpr25_instances(const std::vector<PackedMask>& predicted,
                                const std::vector<PackedMask>& reference, double threshold) {
  Matrix gain(reference.size(), predicted.size());
  std::vector<OverlapCounts> counts;
  const double smaller = static_cast<double>(std::min(gain.rows, gain.columns));
  const auto iou_of = [&](std::size_t r, std::size_t p) {
    const auto& pair = counts[r * predicted.size() + p];
    return pair.union_() == 0
               ? 0.0
               : static_cast<double>(pair.intersection) / static_cast<double>(pair.union_());
  };
  for (std::size_t r = 0; r < reference.size(); ++r) {
    for (std::size_t p = 0; p < predicted.size(); ++p) {
      counts.push_back(count_overlap(predicted[p], reference[r]));
      const double value = iou_of(r, p);
      gain.at(r, p) = (value >= threshold ? 1 : 0) + value / (2 * smaller);
    }
  }
  InstanceScores scores;
  double dice = 0;
  const auto assigned = assign_max_total(gain);
  for (std::size_t r = 0; r < assigned.size(); ++r) {
    if (assigned[r] < 0) continue;
    const auto p = static_cast<std::size_t>(assigned[r]);
    if (iou_of(r, p) < threshold) continue;
    ++scores.hits;
    const auto& pair = counts[r * predicted.size() + p];
    dice += 2.0 * static_cast<double>(pair.intersection) /
            static_cast<double>(pair.predicted + pair.reference);
  }
  scores.spurious = static_cast<std::int64_t>(predicted.size()) - scores.hits;
  scores.missed = static_cast<std::int64_t>(reference.size()) - scores.hits;
  if (scores.hits == 0) return scores;
  scores.f1 = 2.0 * static_cast<double>(scores.hits) /
              static_cast<double>(2 * scores.hits + scores.spurious + scores.missed);
  scores.dice_of_hits = dice / static_cast<double>(scores.hits);
  return scores;
}

}  // namespace medseg
