/// \file
/// Whether a target is said to be there: scores of images that may hold nothing to segment.
///
///     T-acc = TP / (TP + FN)   N-acc = TN / (TN + FP)   FPR = FP / (TN + FP)
///     MCC   = (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), 0 where a factor is 0
///     cgF1  = F1 of the masks of images that hold the target * MCC (SAM 3, arXiv 2511.16719)
///
/// T-acc and N-acc are GRES's (ReLA, gres_model/evaluation/refer_evaluation.py).
#pragma once

#include <cstdint>

namespace medseg {

/// Images by what they hold and what was said; "positive" holds the target.
struct PresenceCounts {
  std::int64_t true_positive = 0, false_positive = 0, true_negative = 0, false_negative = 0;

  void add(bool holds_target, bool said_to);
  double t_acc() const;  ///< NaN without an image that holds the target
  double n_acc() const;  ///< NaN without an image that does not
  double false_positive_rate() const { return 1 - n_acc(); }
  double mcc() const;
};

}  // namespace medseg
