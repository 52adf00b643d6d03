/// \file
/// A save that cannot be written must not cost the run.
#pragma once

#include <cstdint>
#include <functional>

namespace medseg {

/// A failed save is logged and owed: the checkpoints before it stay, the run goes on, and it is tried again with the next save
/// that is due, at the latest every tenth step. Only when no step will follow is a failure the run's.
class Saving {
 public:
  /// True if `write` came through. \throws what `write` threw if it was the last chance.
  bool attempt(std::int64_t step, bool last_chance, const std::function<void()>& write);

  /// Whether to try one that failed again after this step.
  bool owed(std::int64_t step) const;

 private:
  bool failed_ = false;
  std::int64_t tried_ = 0;  ///< step of the last attempt
};

}  // namespace medseg
