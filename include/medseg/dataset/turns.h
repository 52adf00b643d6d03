/// \file
/// The turns of a record: for rendering, for scoring, and what each asks for.
#pragma once

#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/text/conversation.h"

namespace medseg {

/// The record's turns for rendering.
std::vector<Turn> turns_of(const Record& record);

/// The label of each `[SEG]` of a turn; a union of several labels is "a + b".
std::vector<std::string> targets_of(const Record& record, const RecordTurn& turn);

/// The turns that have an answer; `Prediction::turn` counts these.
std::vector<const RecordTurn*> answered_turns(const Record& record);

}  // namespace medseg
