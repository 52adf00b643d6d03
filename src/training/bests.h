/// \file
/// The checkpoints with the best scores so far.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "medseg/training/checkpoint.h"
#include "medseg/training/options.h"
#include "medseg/training/run_folder.h"
#include "validation.h"

namespace medseg {

/// The links of a run folder to its best checkpoints, "best" and "best-SCORE", and their steps.
std::map<std::string, std::int64_t> best_links(const Progressed& done);

/// Updates the best scores and steps in `done` with the scores of an evaluation of the step
/// `done.step`.
void take_bests(const TrainOptions& options, const NamedScores& scores, Progressed& done);

/// Removes best scores whose checkpoints do not exist any more. This happens to a run that resumes
/// from an older checkpoint than its newest.
void forget_lost_bests(const RunFolder& folder, Progressed& done);

}  // namespace medseg
