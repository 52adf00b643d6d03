/// \file
/// Silences this process where another of the same run prints.
#pragma once

namespace medseg {

/// From now on nothing is printed on stderr: neither log lines nor progress bars.
void set_silent();
bool is_silent();

}  // namespace medseg
