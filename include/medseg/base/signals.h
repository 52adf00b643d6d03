/// \file
/// SIGINT and SIGTERM as a question that long work asks where it can stop.
#pragma once

#include "medseg/base/error.h"

namespace medseg {

/// While one lives, the first signal is only noted; a second one of either kind ends the process at once. One at a time.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
};

/// Number of the signal that was noted, or 0; always 0 while there is no SignalWatch.
int caught_signal();

/// Work left undone because of a signal; exit code 128 + its number.
class Interrupted : public Error {
 public:
  explicit Interrupted(int signal);
};

/// For the loops of long work: \throws Interrupted once a signal was noted.
void stop_if_signalled();

}  // namespace medseg
