/// \file
/// Questions that only the answer before them makes clear: "How large is it?"
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "medseg/base/random.h"
#include "medseg/curation/dialogue.h"
#include "medseg/curation/pictures.h"

namespace medseg {

/// All follow-ups that the facts allow for the mask that was answered last.
std::vector<DraftTurn> follow_ups_of(const MaskFacts& mask, const Picture& picture,
                                     const Vocabulary& vocabulary, RandomStream& random);

}  // namespace medseg
