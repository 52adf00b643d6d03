/// \file
/// Collects what the doctor finds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "medseg/dataset/doctor.h"

namespace medseg {

/// What was found in one record.
class RecordFindings {
 public:
  enum class Weight { kFault, kWarning, kWarningOnce };
  struct Finding {
    Weight weight = Weight::kFault;
    int line = 0;
    FaultKind kind = FaultKind::kMalformedRecord;
    std::string key, what;
  };

  void fault(int line, FaultKind kind, const std::string& what) {
    found_.push_back({Weight::kFault, line, kind, "", what});
  }
  void warn(int line, FaultKind kind, const std::string& what) {
    found_.push_back({Weight::kWarning, line, kind, "", what});
  }
  /// Once a manifest for each `key`; the first line is named, the others are counted.
  void warn_once(int line, FaultKind kind, const std::string& key, const std::string& what) {
    found_.push_back({Weight::kWarningOnce, line, kind, key, what});
  }

  const std::vector<Finding>& found() const { return found_; }

 private:
  std::vector<Finding> found_;
};

/// What was found in all of them.
class FindingsList {
 public:
  void set_file(std::string file) { file_ = std::move(file); }
  const std::string& file() const { return file_; }

  void add(const RecordFindings::Finding& finding);
  void fault(int line, FaultKind kind, const std::string& what) {
    add({RecordFindings::Weight::kFault, line, kind, "", what});
  }

  Findings take();

 private:
  struct Repeated {
    std::size_t at = 0;  ///< in warnings
    int more = 0;
  };

  /// False where enough of the kind are kept.
  bool keep(FaultKind kind, std::map<FaultKind, std::int64_t>& kept,
            std::map<FaultKind, std::int64_t>& more);

  std::string file_;
  Findings findings_;
  std::map<FaultKind, std::int64_t> kept_faults_, kept_warnings_;
  std::map<std::string, Repeated> repeated_;
};

}  // namespace medseg
