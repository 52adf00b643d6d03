/// \file
/// The checkpoints that stay because a score of theirs is the best.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "medseg/training/checkpoint.h"
#include "medseg/training/options.h"
#include "medseg/training/run_folder.h"
#include "validation.h"

namespace medseg {

/// Links of the scores that a run keeps the best checkpoints by: "best", "best-SCORE".
std::map<std::string, std::int64_t> best_links(const Progressed& done);

/// Notes in `done` which of train.best and train.also_best this step leads.
void take_bests(const TrainOptions& options, const NamedScores& scores, Progressed& done);

/// Where a run goes on from an older checkpoint than its newest, the best of that time may be gone already.
void forget_lost_bests(const RunFolder& folder, Progressed& done);

}  // namespace medseg
