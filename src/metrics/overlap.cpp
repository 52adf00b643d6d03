#include "medseg/metrics/overlap.h"

#include <limits>

#include "medseg/base/str.h"

namespace medseg {
namespace {

double mean(double sum, std::int64_t count) {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

}  // namespace

OverlapCounts count_overlap(const Mask& predicted, const Mask& reference) {
  MEDSEG_CHECK(predicted.width == reference.width && predicted.height == reference.height,
               str_cat("count_overlap: ", predicted.width, "x", predicted.height, " against ",
                       reference.width, "x", reference.height));
  OverlapCounts counts;
  for (std::size_t i = 0; i < predicted.pixels.size(); ++i) {
    const bool p = predicted.pixels[i] != 0, r = reference.pixels[i] != 0;
    counts.predicted += p;
    counts.reference += r;
    counts.intersection += p && r;
  }
  return counts;
}

double iou(const OverlapCounts& counts) {
  if (counts.union_() == 0) return 1.0;
  return static_cast<double>(counts.intersection) / (static_cast<double>(counts.union_()) + 1e-5);
}

double dice(const OverlapCounts& counts) {
  const std::int64_t both = counts.predicted + counts.reference;
  if (both == 0) return 1.0;
  return 2.0 * static_cast<double>(counts.intersection) / (static_cast<double>(both) + 1e-6);
}

void OverlapMean::add(const OverlapCounts& counts) {
  ++count_;
  sum_iou_ += iou(counts);
  sum_dice_ += dice(counts);
  sum_intersection_ += static_cast<double>(counts.intersection);
  sum_union_ += static_cast<double>(counts.union_());
}

void OverlapMean::merge(const OverlapMean& other) {
  count_ += other.count_;
  sum_iou_ += other.sum_iou_;
  sum_dice_ += other.sum_dice_;
  sum_intersection_ += other.sum_intersection_;
  sum_union_ += other.sum_union_;
}

double OverlapMean::giou() const { return mean(sum_iou_, count_); }
double OverlapMean::mean_dice() const { return mean(sum_dice_, count_); }
double OverlapMean::ciou() const {
  return count_ == 0 ? mean(0, 0) : sum_intersection_ / (sum_union_ + 1e-10);
}

}  // namespace medseg
