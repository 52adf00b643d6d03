/// \file
/// Collects what the doctor finds.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "medseg/dataset/doctor.h"

namespace medseg {

class FindingsList {
 public:
  void set_file(std::string file) { file_ = std::move(file); }
  const std::string& file() const { return file_; }

  void fault(int line, FaultKind kind, const std::string& what) {
    findings_.faults.push_back({file_, line, kind, what, advice_of(kind)});
  }
  void warn(int line, FaultKind kind, const std::string& what) {
    findings_.warnings.push_back({file_, line, kind, what, advice_of(kind)});
  }
  /// Once a manifest for each `key`; the first line is named, the others are counted.
  void warn_once(int line, FaultKind kind, const std::string& key, const std::string& what);

  Findings take();

 private:
  struct Repeated {
    std::size_t at = 0;  ///< in warnings
    int more = 0;
  };

  std::string file_;
  Findings findings_;
  std::map<std::string, Repeated> repeated_;
};

}  // namespace medseg
