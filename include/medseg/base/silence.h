/// \file
/// For one of several processes, where another speaks.
#pragma once

namespace medseg {

/// Nothing at all is shown on stderr from now on, neither lines (log.h) nor progress bars.
void set_silent();
bool is_silent();

}  // namespace medseg
