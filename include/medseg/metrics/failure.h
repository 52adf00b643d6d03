/// \file
/// Why a reference was not found, for grouping cases.
#pragma once

#include "medseg/base/choice.h"
#include "medseg/metrics/replay.h"

namespace medseg {

enum class Failure {
  kFailed,          ///< the record could not be asked
  kNoSeg,           ///< fewer `[SEG]` than references
  kEmptyMask,       ///< a `[SEG]` without a pixel
  kWrongStructure,  ///< the mask fits another reference of the turn better, IoU 0.5 at least
  kWrongPlace,      ///< no pixel in common
  kPoorOverlap,     ///< Dice below 0.5
  kFound,
};
template <>
struct Choice<Failure> {
  static constexpr ChoiceNames<Failure, 7> names = {{{Failure::kFailed, "failed"},
                                                     {Failure::kNoSeg, "no [SEG]"},
                                                     {Failure::kEmptyMask, "empty mask"},
                                                     {Failure::kWrongStructure, "wrong structure"},
                                                     {Failure::kWrongPlace, "wrong place"},
                                                     {Failure::kPoorOverlap, "poor overlap"},
                                                     {Failure::kFound, "found"}}};
};

/// The first that fits, in the order above. \pre the item's reference is not empty.
Failure failure_of(const Replay& replay, const ReplayItem& item);

}  // namespace medseg
