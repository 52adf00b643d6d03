/// \file
/// Commands that may be one of several processes.
#pragma once

#include <functional>

#include "medseg/comm/comm.h"

namespace medseg {

/// Meets the other processes of the launcher, if there is one, and runs `work` with them (comm/together.h). All but rank 0 are
/// silent.
void with_all_processes(const std::function<void(Comm&)>& work);

}  // namespace medseg
