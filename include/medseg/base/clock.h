/// \file
/// Elapsed and calendar time.
#pragma once

#include <chrono>
#include <string>

namespace medseg {

/// Seconds of a monotonic clock since construction or restart.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void restart() { start_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// "2026-01-31T12:00:00Z"
std::string utc_now();

/// "1:02:03" or "2:03", for people.
std::string duration_text(double seconds);

}  // namespace medseg
