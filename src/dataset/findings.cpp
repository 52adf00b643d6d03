#include "findings.h"

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kMostOfAKind = 1000;

}  // namespace

std::int64_t Findings::fault_count() const {
  auto count = static_cast<std::int64_t>(faults.size());
  for (const auto& [kind, more] : more_faults) count += more;
  return count;
}

bool FindingsList::keep(FaultKind kind, std::map<FaultKind, std::int64_t>& kept,
                        std::map<FaultKind, std::int64_t>& more) {
  if (++kept[kind] <= kMostOfAKind) return true;
  ++more[kind];
  return false;
}

void FindingsList::add(const RecordFindings::Finding& finding) {
  using Weight = RecordFindings::Weight;
  const Fault fault{file_, finding.line, finding.kind, finding.what, advice_of(finding.kind)};
  if (finding.weight == Weight::kFault) {
    if (keep(finding.kind, kept_faults_, findings_.more_faults)) findings_.faults.push_back(fault);
    return;
  }
  if (finding.weight == Weight::kWarningOnce) {
    const auto [it, is_new] =
        repeated_.emplace(str_cat(file_, " ", name_of(finding.kind), " ", finding.key),
                          Repeated{findings_.warnings.size(), 0});
    if (!is_new) {
      ++it->second.more;
      return;
    }
    findings_.warnings.push_back(fault);  // one a key: never too many
    return;
  }
  if (keep(finding.kind, kept_warnings_, findings_.more_warnings))
    findings_.warnings.push_back(fault);
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
