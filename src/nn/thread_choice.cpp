#include "medseg/nn/thread_choice.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "medseg/base/clock.h"

namespace medseg {
namespace {

constexpr std::int64_t kTrial = 3;                      // steps of the other choice
constexpr std::int64_t kFirstPause = 16, kPause = 512;  // steps between trials
constexpr double kBetter = 0.9;                         // of the time: less may be chance

}  // namespace

void ThreadChoice::Seen::add(double value) {
  seconds[static_cast<std::size_t>(count++) % seconds.size()] = value;
}

double ThreadChoice::Seen::mean() const {
  const auto filled = std::min(count, static_cast<std::int64_t>(seconds.size()));
  double sum = 0;
  for (std::int64_t i = 0; i < filled; ++i) sum += seconds[static_cast<std::size_t>(i)];
  return sum / static_cast<double>(std::max<std::int64_t>(filled, 1));
}

ThreadChoice::ThreadChoice(int most) : most_(most), steps_left_(kFirstPause), pause_(kFirstPause) {}

void ThreadChoice::took(double seconds) {
  (trying_ ? tried_ : chosen_).add(seconds);
  if (--steps_left_ > 0 || most_ == 1) return;
  if (!trying_) {
    trying_ = true;
    one_ = !one_;
    tried_ = {};
    steps_left_ = kTrial;
    return;
  }
  trying_ = false;
  if (tried_.mean() < kBetter * chosen_.mean()) {
    chosen_ = tried_;
    pause_ = kFirstPause;
  } else {
    one_ = !one_;
    pause_ = std::min(2 * pause_, kPause);
  }
  steps_left_ = pause_;
}

void run_step(ThreadChoice& choice, const std::function<void()>& step) {
  struct Threads {
    const int before = at::get_num_threads();
    ~Threads() { at::set_num_threads(before); }
  } threads;
  if (choice.most() != threads.before) choice = ThreadChoice(threads.before);
  if (choice.threads() != threads.before) at::set_num_threads(choice.threads());
  const Stopwatch watch;
  step();
  choice.took(watch.seconds());
}

}  // namespace medseg
