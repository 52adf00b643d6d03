/// \file
/// Scoring protocols: how the papers of this field turn saved answers into numbers, one row each.
/// A new protocol is one function and one row of the table in src/metrics/protocols.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "medseg/metrics/failure.h"
#include "medseg/metrics/replay.h"
#include "medseg/metrics/statistics.h"

namespace medseg {

/// In the order in which they are printed. NaN where there is nothing to average.
using Metrics = std::vector<std::pair<std::string, double>>;

struct GroupResult {
  std::int64_t n = 0;
  Metrics metrics;
};

struct ProtocolResult {
  std::string protocol, rules;
  std::int64_t n = 0;  ///< what the protocol averages over
  std::int64_t turns = 0, missed = 0, absent = 0, spurious = 0, failed = 0;
  Metrics metrics;
  std::vector<std::pair<std::string, std::int64_t>> counts;  ///< further ones: "unattributed"
  std::map<std::string, GroupResult> by_modality, by_target, by_phrasing;
  std::optional<double> mask_score_threshold;  ///< masks of a lower score were not drawn
  std::map<std::string, Interval> intervals;   ///< by metric; "dice_by_case" resamples cases
};

struct Protocol {
  std::string_view name;
  std::string_view rules;
  bool needs_maps = false;  ///< the probability maps of `evaluate --keep-logits`
  void (*score)(const Replay&, ProtocolResult&) = nullptr;
};

const std::vector<Protocol>& protocols();

/// \throws ConfigError "--protocol: …" with the nearest name and all known ones.
const Protocol& protocol_named(const std::string& name);

/// \throws DataError where the protocol needs probability maps and a mask lacks one.
ProtocolResult score_by(const Protocol& protocol, const Replay& replay);

/// One row a reference mask: what `--per-case` writes and paired tests read.
struct CaseRow {
  std::string id, target, modality, subject;
  int turn = 0;
  std::size_t index = 0;
  bool missing = false, failed = false;
  Failure failure = Failure::kFound;
  double dice = 0, iou = 0;
  SurfaceScores surfaces;  ///< a miss is the image's diagonal
  double boundary_iou = 0;
};

/// Of the references that are not empty.
std::vector<CaseRow> case_rows(const Replay& replay);

/// Mean Dice of each subject of one run less the other's, over the subjects of both, sorted by
/// name.
struct SubjectDifference {
  std::string subject;
  double first = 0, second = 0;
};
std::vector<SubjectDifference> subject_differences(const std::vector<CaseRow>& first,
                                                   const std::vector<CaseRow>& second);

}  // namespace medseg
