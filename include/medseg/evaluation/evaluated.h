/// \file
/// What `evaluate` left in a folder, for commands that score, compare, print or show it: its
/// predictions, and from `evaluation.json` the manifest and split that were asked and how.
///
///     evaluation.json   {"manifest": absolute path, "split", "model", "mode", "history", "seed",
///                        "decoding", "precision", "records", "quarantined": […],
///                        "leakage": {"statement", …}}; every key may be missing
#pragma once

#include <filesystem>
#include <string>

#include "medseg/dataset/manifest.h"
#include "medseg/report/runs_table.h"

namespace medseg {

struct EvaluatedFolder {
  std::filesystem::path folder;
  std::filesystem::path predictions;  ///< predictions.jsonl, there or not
  bool described = false;             ///< there is an evaluation.json
  std::string model;                  ///< "" is unknown
  ReportedFacts facts;
};

/// Of a folder, or of a predictions file in one. \throws DataError on an evaluation.json of another
/// form.
EvaluatedFolder read_evaluated(const std::filesystem::path& path);

/// The manifest and split that were asked.
struct AskedSplit {
  Manifest manifest;
  std::string split;
  /// Turns without an answer are left out: an evaluation may have asked some of its records only.
  bool partial = false;
};

/// `manifest` and `split` of the command line where they are given; else those of evaluation.json;
/// the split is else "test".
/// \throws ConfigError "--data: …" where neither names a manifest or the named one is gone.
AskedSplit open_asked(const EvaluatedFolder& evaluation, const std::filesystem::path& manifest,
                      const std::string& split);

/// "demo/test": the manifest's folder and the split; the folder's own name where it says neither.
std::string benchmark_name(const EvaluatedFolder& evaluation);

}  // namespace medseg
