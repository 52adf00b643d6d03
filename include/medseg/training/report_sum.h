/// \file
/// The report of one optimiser step, from the reports of all ranks.
#pragma once

#include "medseg/comm/comm.h"
#include "medseg/training/step.h"

namespace medseg {

/// Replaces each rank's report by that of the whole step: losses and counts are summed, `ids`
/// follow each other in the order of the micro-batches, and `fault` is that of the first rank that
/// has one. Collective; every rank gets the same bits.
void sum_reports(StepReport& report, Comm& comm);

}  // namespace medseg
