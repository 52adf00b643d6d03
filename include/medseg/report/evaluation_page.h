/// \file
/// An evaluation, or two beside each other, as one HTML file that a browser shows anywhere: no
/// script, no font, no request. Readable on a phone, dark and light.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/image/image.h"
#include "medseg/metrics/calibration.h"
#include "medseg/metrics/protocols.h"
#include "medseg/report/runs_table.h"

namespace medseg {

/// One reference with its answer, as a person wants to see it.
struct ShownCase {
  CaseRow row;
  std::string question, expected, answer;
  Image image;  ///< RGB: the expected masks to the left, the answer's to the right
};

struct EvaluationReport {
  std::string name;
  ProtocolResult strict, lisa;
  std::vector<CaseRow> rows;
  std::vector<ScoredCase> scored;  ///< mask scores, and whether each mask hit a reference
  std::vector<ShownCase> worst, median, best;
  ReportedFacts facts;  ///< where they are known
};

/// The masks of a run with their scores, each right where its IoU with some reference of its turn
/// is 0.5 at least.
std::vector<ScoredCase> scored_masks(const Replay& replay);

/// Positions of `rows` by rising Dice: the first `count`, those round the middle, and the last.
/// None stands in two groups.
struct ChosenCases {
  std::vector<std::size_t> worst, median, best;
};
ChosenCases choose_cases(const std::vector<CaseRow>& rows, std::size_t count);

/// \pre one report or two. `comparison` is comparison_json of both, null for one. Whatever stands
/// in a question, an answer or a label is shown as text.
std::string evaluation_page(const std::vector<EvaluationReport>& reports,
                            const nlohmann::ordered_json& comparison);

}  // namespace medseg
