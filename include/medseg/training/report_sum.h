/// \file
/// One step on several ranks is one step.
#pragma once

#include "medseg/comm/comm.h"
#include "medseg/training/step.h"

namespace medseg {

/// Every rank's report becomes that of the whole step: sums, and ids in the order of the micro-batches; `fault` is that of the
/// first rank which has one. Collective; the same bits on every rank.
void sum_reports(StepReport& report, Comm& comm);

}  // namespace medseg
