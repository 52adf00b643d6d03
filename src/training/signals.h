/// \file
/// SIGINT and SIGTERM as a question the loop asks between steps.
#pragma once

namespace medseg {

/// While one lives, the first signal is only noted; a second one of its kind ends the process at once. One at a time.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  int caught() const;  ///< its number, or 0
};

}  // namespace medseg
