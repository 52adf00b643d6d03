/// \file
/// Detection scores of one class over images, as COCO counts them (pycocotools/cocoeval.py).
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/metrics/assignment.h"

namespace medseg {

/// The masks of one image.
struct DetectionImage {
  std::vector<double> scores;  ///< of each predicted mask
  Matrix iou{0, 0};            ///< predicted masks x reference masks; 0 where they do not meet
};

/// Average precision at an IoU threshold: masks by falling score (stable; the first 100 of an
/// image) each take the untaken reference of largest IoU at or above it, the later one on a tie;
/// precision, made non-increasing from the right, at recalls 0, 0.01, … 1. NaN without references.
double average_precision(const std::vector<DetectionImage>& images, double threshold);

/// Mean over the thresholds 0.5, 0.55, … 0.95.
double average_precision_50_95(const std::vector<DetectionImage>& images);

/// Pairs of the largest one-to-one matching of masks with IoU at or above the threshold.
std::int64_t matched_pairs(const Matrix& iou, double threshold);

}  // namespace medseg
