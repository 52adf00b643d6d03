/// \file
/// Benchmark tables: one run, or several side by side, with what needs no training beside them.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

enum class TableFormat { kText, kMarkdown, kCsv, kLatex };
/// \throws ConfigError listing text, markdown, csv, latex.
TableFormat table_format(const std::string& name);

/// What a run folder holds.
struct RunScores {
  std::string name;          ///< stands in the head of its columns when there are several runs
  nlohmann::json scores;     ///< scores.json
  nlohmann::json baselines;  ///< baselines.json, or null
};

/// Rows: every target, mean over targets, gIoU, cIoU, every modality, every phrasing, then the shares that are no
/// overlap (exact `[SEG]` count, right name, false positives on absent turns). Columns: n, Dice and gIoU of each run,
/// then the Dice of each baseline that the first run with any holds; in the rows gIoU and cIoU, that measure of it.
std::string benchmark_table(const std::vector<RunScores>& runs, TableFormat format);

}  // namespace medseg
