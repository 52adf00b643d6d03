/// \file
/// Which drafts are in which split, and which are kept.
#pragma once

#include "medseg/convert/draft.h"

namespace medseg {

/// Gives every draft a split. Splits of the source are kept; where it has none, subjects are dealt
/// by `options().shares`; where it has no validation split, some of its training subjects make one.
/// A subject whom the source has in two splits stays in the one that is scored (test, then val).
void assign_splits(Reading& reading);

/// Keeps `options().limit` drafts: each group of one split and one rarest structure by its share,
/// and at least one of each while there is room.
void take_subset(Reading& reading);

}  // namespace medseg
