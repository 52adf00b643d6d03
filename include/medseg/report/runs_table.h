/// \file
/// Benchmark tables of this field: rows are runs, columns are benchmarks and metrics, with
/// intervals, what is best, and everything that a reader must know to believe it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/report/table.h"

namespace medseg {

/// How an evaluation was made, as `evaluation.json` says; "" is unknown.
struct ReportedFacts {
  std::string manifest, split, mode, history, seed, decoding, precision;
  std::string leakage;        ///< one sentence: what of the test data was trained on
  std::int64_t records = -1;  ///< that were asked; -1 is unknown
};

enum class RowKind { kRun, kBaseline, kReference };

/// A run, a baseline or a published model on one benchmark.
struct BenchmarkScores {
  std::string run, benchmark;  ///< row and group of columns
  nlohmann::json scores;       ///< one object of `score --json`
  RowKind kind = RowKind::kRun;
  std::string source{};  ///< of a reference that the user supplied
  ReportedFacts facts{};
};

struct RunsTableOptions {
  TableFormat format = TableFormat::kMarkdown;
  std::vector<std::string> metrics;  ///< keys of "metrics"; none: the protocol's main ones
};

/// The facts (protocol with its rules, seed, decoding, precision, leakage of each run and
/// benchmark), then tables with a blank line between them: the runs; what was counted of each (n,
/// turns, missed, absent, spurious, failed); and for each benchmark its targets, modalities and
/// phrasings, with the first two measures that the protocol has for groups.
///
/// "0.721 (0.650 to 0.781)" is a value with its 95 % interval. Of the runs and references of a
/// column the best is marked (bold; "*" in text) and those whose value lies within the best one's
/// interval (underlined in LaTeX, italic in Markdown, "+" in text). Baselines know the target and
/// are never best. In CSV interval and mark have columns of their own.
/// \pre not empty. \throws ConfigError on a metric that no entry has, DataError on entries of
/// several protocols.
std::string runs_table(const std::vector<BenchmarkScores>& entries,
                       const RunsTableOptions& options);

/// Where a reference says "benchmark", it must be one of `benchmarks`; where it says none, there
/// must be only one. \throws DataError at `where`.
std::vector<BenchmarkScores> references_of(const nlohmann::json& list, const std::string& where,
                                           const std::vector<std::string>& benchmarks);

}  // namespace medseg
