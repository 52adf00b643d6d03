/// \file
/// A progress bar on a terminal, plain lines elsewhere; both on stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "medseg/base/clock.h"

namespace medseg {

/// Not thread-safe: one thread reports.
class Progress {
 public:
  /// Without a terminal, a line is printed at most every `line_every_s` seconds.
  Progress(std::string title, std::int64_t total, double line_every_s = 15.0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` are finished; `note` follows the bar ("loss 0.31 ce 0.1").
  void update(std::int64_t done, std::string_view note = "");
  /// Ends the bar's line, so that later output starts on a new one. Called by the destructor.
  void finish();

 private:
  void draw(bool last);

  std::string title_;
  std::string note_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  double line_every_s_;
  double last_drawn_s_ = -1e9;
  bool terminal_;
  bool finished_ = false;
  Stopwatch watch_;
};

}  // namespace medseg
