#include "findings.h"

#include "medseg/base/str.h"

namespace medseg {

void FindingsList::warn_once(int line, FaultKind kind, const std::string& key,
                             const std::string& what) {
  const auto [it, is_new] = repeated_.emplace(str_cat(file_, " ", name_of(kind), " ", key),
                                              Repeated{findings_.warnings.size(), 0});
  if (is_new) {
    warn(line, kind, what);
  } else {
    ++it->second.more;
  }
}

Findings FindingsList::take() {
  for (const auto& [key, repeated] : repeated_) {
    if (repeated.more == 0) continue;
    findings_.warnings[repeated.at].what += str_cat(
        ", and ", repeated.more, repeated.more == 1 ? " more record" : " more records", " like it");
  }
  repeated_.clear();
  return std::move(findings_);
}

}  // namespace medseg
