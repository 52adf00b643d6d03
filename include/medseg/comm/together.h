/// \file
/// Work that all ranks do together, and end together.
#pragma once

#include <functional>

#include "medseg/comm/comm.h"

namespace medseg {

/// Runs `work`. What it throws on one rank ends all of them with the same exit code, and one line tells the user: rank 0's,
/// or "rank 2: …" of the rank where it happened.
/// \throws Error with an empty message where another process says it (run_cli prints nothing then).
void run_together(Comm& comm, const std::function<void()>& work);

}  // namespace medseg
