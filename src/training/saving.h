/// \file
/// Saves that fail are tried again.
#pragma once

#include <cstdint>
#include <functional>

namespace medseg {

/// A save that fails gives a warning, and the run goes on: older checkpoints stay, and the next
/// save that is due tries again, or one ten steps later. Only a save after the last step ends the
/// run if it fails.
class Saving {
 public:
  /// Runs `write`; false if it failed. \throws what `write` threw if `last_chance`.
  bool attempt(std::int64_t step, bool last_chance, const std::function<void()>& write);

  /// Whether the last save failed and should be tried again after this step.
  bool owed(std::int64_t step) const;

 private:
  bool failed_ = false;
  std::int64_t tried_ = 0;  ///< step of the last attempt
};

}  // namespace medseg
