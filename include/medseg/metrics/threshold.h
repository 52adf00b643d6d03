/// \file
/// A threshold on the scores of masks: what is less sure is not drawn.
///
///     right(t) = (sum over references of the Dice of their mask, 0 where its score is below t
///                 + absent turns without a mask of score t or more) / (references + absent turns)
///
/// References without a pixel are left out. A question about something present and one about
/// something absent weigh the same.
#pragma once

#include <cstdint>

#include "medseg/metrics/replay.h"

namespace medseg {

/// Masks of a lower score become empty, and are left out where no mask follows them: positions of
/// the others stay.
Replay with_threshold(const Replay& replay, double threshold);

struct ThresholdChoice {
  double threshold = 0;
  double right = 0, right_without = 0;  ///< at the threshold; at 0
  double dice = 0, dice_without = 0;    ///< means over references; NaN without one
  double false_positive_rate = 0, false_positive_rate_without = 0;  ///< NaN without absent turns
  std::int64_t references = 0, absent = 0, masks = 0;
};

/// The threshold of the largest `right`, half-way between two scores that occur; the lowest of
/// equals. \throws DataError where no mask has a score of its own: nothing tells them apart.
ThresholdChoice choose_threshold(const Replay& replay);

}  // namespace medseg
