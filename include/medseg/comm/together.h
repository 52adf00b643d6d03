/// \file
/// Work that all ranks start together and end together.
#pragma once

#include <functional>

#include "medseg/comm/comm.h"

namespace medseg {

/// Runs `work`. An error on one rank ends all of them with the same exit code. One line tells the
/// user: rank 0's message, or "rank 2: …" where another rank failed.
/// \throws Error with an empty message where another process prints it (run_cli prints nothing
/// then).
void run_together(Comm& comm, const std::function<void()>& work);

}  // namespace medseg
