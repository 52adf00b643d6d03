/// \file
/// Benchmark tables: one run, or several side by side, with what needs no training beside them.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/choice.h"

namespace medseg {

enum class TableFormat { kText, kMarkdown, kCsv, kLatex };
template <>
struct Choice<TableFormat> {
  static constexpr ChoiceNames<TableFormat, 4> names = {{{TableFormat::kText, "text"},
                                                         {TableFormat::kMarkdown, "markdown"},
                                                         {TableFormat::kCsv, "csv"},
                                                         {TableFormat::kLatex, "latex"}}};
};

/// What a run folder holds, or what a paper states.
struct RunScores {
  std::string name;          ///< stands in the head of its columns when there are several
  nlohmann::json scores;     ///< scores.json
  nlohmann::json baselines;  ///< baselines.json, or null
  std::string source{};      ///< of a reference that the user supplied; "" for a run
};

/// References from a user's file: a list of {"name", "source", "metrics": {…}}, where "n",
/// "by_target", "by_modality" and "by_phrasing" may stand as in scores.json.
/// \throws DataError at `where` on another form, or without a source: a number needs one.
std::vector<RunScores> parse_references(const nlohmann::json& list, const std::string& where);

/// Rows: every target, mean over targets, gIoU, cIoU, every modality, every phrasing, then the
/// shares that are no overlap (exact `[SEG]` count, right name, false positives on absent turns)
/// and the counts of missed and spurious masks, absent and failed turns. The head names the first
/// run's protocol. Columns: n, Dice and gIoU of each run, then the Dice of each baseline that the
/// first run with any holds; in the rows gIoU and cIoU, that measure of it. Where several runs
/// stand side by side the best of a row is marked.
/// \pre runs is not empty.
std::string benchmark_table(const std::vector<RunScores>& runs, TableFormat format);

}  // namespace medseg
