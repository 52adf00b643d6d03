/// \file
/// Overlap of two masks and its means (protocol `lisa`; src/README.md, choice 20).
///
///     IoU  = I / (U + 1e-5), 1 if U = 0        gIoU = mean over masks
///     cIoU = sum I / (sum U + 1e-10)           Dice = 2 I / (P + G + 1e-6), 1 if both are empty
#pragma once

#include <cstdint>

#include "medseg/image/image.h"

namespace medseg {

struct OverlapCounts {
  std::int64_t intersection = 0;
  std::int64_t predicted = 0;
  std::int64_t reference = 0;
  // NOLINTNEXTLINE(readability-identifier-naming): "union" is a keyword
  std::int64_t union_() const { return predicted + reference - intersection; }
};

/// \pre equal sizes.
OverlapCounts count_overlap(const Mask& predicted, const Mask& reference);
double iou(const OverlapCounts& counts);
double dice(const OverlapCounts& counts);

/// Sums over masks; `scores` of none are NaN.
class OverlapMean {
 public:
  void add(const OverlapCounts& counts);
  void merge(const OverlapMean& other);
  std::int64_t count() const { return count_; }
  double giou() const;
  double ciou() const;
  double mean_dice() const;

 private:
  std::int64_t count_ = 0;
  double sum_iou_ = 0, sum_dice_ = 0, sum_intersection_ = 0, sum_union_ = 0;
};

}  // namespace medseg
