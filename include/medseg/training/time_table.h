/// \file
/// Where the time of a run went, and how much memory each part of it needed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "medseg/base/clock.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/nn/flop_count.h"

namespace medseg {

class TimeTable {
 public:
  struct Part {
    std::string name;
    double seconds = 0;
    std::uint64_t peak_bytes =
        0;             ///< most of the whole process that was resident while the part ran
    double flops = 0;  ///< of its matrix products, where a FlopCount lives
  };

  /// Adds its lifetime to a part. One at a time: a scope within another would take the other's peak away.
  class Scope {
   public:
    Scope(TimeTable& table, const char* part) : table_(table), part_(part) {
      begin_recent_peak();
      if (table_.watcher_) table_.watcher_(part_);
    }
    ~Scope() {
      table_.add({part_, watch_.seconds(), recent_peak_bytes(), counted_flops() - flops_before_});
      if (table_.watcher_) table_.watcher_(nullptr);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    TimeTable& table_;
    const char* part_;
    Stopwatch watch_;
    double flops_before_ = counted_flops();
  };

  void add(const Part& more) {
    auto part = std::find_if(parts_.begin(), parts_.end(),
                             [&](const Part& known) { return known.name == more.name; });
    if (part == parts_.end()) part = parts_.insert(part, Part{.name = more.name});
    part->seconds += more.seconds;
    part->peak_bytes = std::max(part->peak_bytes, more.peak_bytes);
    part->flops += more.flops;
  }

  /// Is told each part that begins, by name, and each end, by null; an empty one is told nothing.
  void watch(std::function<void(const char*)> watcher) { watcher_ = std::move(watcher); }

  const std::vector<Part>& parts() const { return parts_; }

  /// "data 0.4 s, language forward 61.0 s, …"
  std::string text() const {
    std::vector<std::string> words;
    for (const auto& part : parts_)
      words.push_back(str_cat(part.name, " ", fixed(part.seconds, 1), " s"));
    return join(words, ", ");
  }

 private:
  std::vector<Part> parts_;
  std::function<void(const char*)> watcher_;
};

}  // namespace medseg
