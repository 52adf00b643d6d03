/// \file
/// How scores are printed: as JSON and as a table.
#pragma once

#include <string>

#include "medseg/metrics/scores.h"

namespace medseg {

/// The JSON object that `score --json` and scores.json hold (design: commands).
std::string scores_json(const Scores& scores);
/// Table for a terminal: the totals, then one row per target and modality.
std::string scores_table(const Scores& scores);

}  // namespace medseg
