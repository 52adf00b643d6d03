/// \file
/// Seconds, peak memory and floating-point operations of each part of a run: "data", "backward", …
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "medseg/base/clock.h"
#include "medseg/nn/flop_count.h"

namespace medseg {

class TimeTable {
 public:
  struct Part {
    std::string name;
    double seconds = 0;
    /// The largest resident memory of the whole process while the part ran.
    std::uint64_t peak_bytes = 0;
    /// Of the part's matrix products; counted only while a FlopCount lives.
    double flops = 0;
  };

  /// Called around every part that a Scope measures. Both are set, or neither.
  struct Observer {
    std::function<void(const std::string& part)> on_begin;
    std::function<void()> on_end;
  };

  /// Measures from its construction to its destruction and adds the result to a part. Scopes may
  /// not be nested: the inner one would restart the outer one's peak.
  class Scope {
   public:
    Scope(TimeTable& table, const char* part);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    TimeTable& table_;
    const char* part_;
    Stopwatch watch_;
    double flops_before_ = counted_flops();
  };

  /// Seconds and operations are summed, of the peaks the largest stays.
  void add(const Part& more);

  /// Replaces the observer; `observe({})` ends the observation.
  void observe(Observer observer) { observer_ = std::move(observer); }

  /// In the order in which they first came.
  const std::vector<Part>& parts() const { return parts_; }

  /// "data 0.4 s, language forward 61.0 s, …"
  std::string text() const;

 private:
  std::vector<Part> parts_;
  Observer observer_;
};

}  // namespace medseg
