/// \file
/// Where the time of a run went.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "medseg/base/clock.h"
#include "medseg/base/str.h"

namespace medseg {

class TimeTable {
 public:
  /// Adds its lifetime to a part.
  class Scope {
   public:
    Scope(TimeTable& table, const char* part) : table_(table), part_(part) {}
    ~Scope() { table_.add(part_, watch_.seconds()); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    TimeTable& table_;
    const char* part_;
    Stopwatch watch_;
  };

  void add(const std::string& part, double seconds) {
    for (auto& [name, sum] : parts_) {
      if (name == part) {
        sum += seconds;
        return;
      }
    }
    parts_.emplace_back(part, seconds);
  }

  const std::vector<std::pair<std::string, double>>& parts() const { return parts_; }

  /// "data 0.4 s, language forward 61.0 s, …"
  std::string text() const {
    std::vector<std::string> words;
    for (const auto& [name, seconds] : parts_)
      words.push_back(str(name, " ", fixed(seconds, 1), " s"));
    return join(words, ", ");
  }

 private:
  std::vector<std::pair<std::string, double>> parts_;
};

}  // namespace medseg
