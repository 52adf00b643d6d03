/// \file
/// How many threads short steps get, where other programs may keep the processor busy.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace medseg {

/// Chooses between all threads and one for a long row of similar steps of some milliseconds each.
/// Such a step has hundreds of short loops, and each ends when the last thread is ready: a thread
/// that shares its core with another program makes all of them wait. The faster choice stays, the
/// other is tried again and again, less often as long as it loses.
class ThreadChoice {
 public:
  /// \param most all threads, at least 1
  explicit ThreadChoice(int most);

  int most() const { return most_; }
  /// The number of threads of the next step.
  int threads() const { return one_ ? 1 : most_; }
  /// The time of a step that ran on `threads()`.
  void took(double seconds);

 private:
  /// Mean of the last steps of one choice.
  struct Seen {
    std::array<double, 4> seconds{};
    std::int64_t count = 0;
    void add(double value);
    double mean() const;
  };

  int most_;
  bool one_ = false, trying_ = false;
  Seen chosen_, tried_;
  std::int64_t steps_left_, pause_;
};

/// Runs a step on as many of at::get_num_threads() threads as `choice` says and tells it the time.
/// \pre The step's result does not depend on the number of threads.
void run_step(ThreadChoice& choice, const std::function<void()>& step);

}  // namespace medseg
