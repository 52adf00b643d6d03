/// \file
/// SIGINT and SIGTERM as a flag, for long work that stops at a point of its own choice.
#pragma once

#include "medseg/base/error.h"

namespace medseg {

/// While one exists, the first signal only sets the flag; a second one ends the process at once.
/// Only one may exist at a time.
class SignalWatch {
 public:
  /// `line` is written to stderr the moment the first signal arrives; it outlives the watch.
  explicit SignalWatch(const char* line = nullptr);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
};

/// Number of the signal that arrived, or 0; always 0 if there is no SignalWatch.
int caught_signal();

/// A signal stopped the work; exit code 128 + its number.
class Interrupted : public Error {
 public:
  explicit Interrupted(int signal);
};

/// To be called in loops of long work. \throws Interrupted if a signal has arrived.
void stop_if_signalled();

}  // namespace medseg
