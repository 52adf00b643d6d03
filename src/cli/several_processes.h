/// \file
/// Commands that may run as one of several processes.
#pragma once

#include <functional>

#include "medseg/comm/comm.h"

namespace medseg {

/// Connects to the other processes of the launcher, if there is one, and runs `work` with them
/// (comm/together.h). All but rank 0 print nothing.
void with_all_processes(const std::function<void(Comm&)>& work);

}  // namespace medseg
