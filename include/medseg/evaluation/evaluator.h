/// \file
/// Evaluation by generating: every turn of a split is asked, answered and scored.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "medseg/comm/comm.h"
#include "medseg/evaluation/predictions.h"
#include "medseg/generation/generate.h"

namespace medseg {

struct EvaluationOptions {
  GenerationOptions generation;
  std::int64_t limit = 0;  ///< records, spread evenly over the split; 0 is all
  at::ScalarType precision = at::kBFloat16;
  bool show_progress = true;
  Comm* comm = nullptr;  ///< several processes divide the records among each other
};

struct Evaluation {
  std::vector<Prediction> predictions;
  Scores scores;
};

/// Within a record the model's own earlier answers are the history of later turns, as for a user.
/// With options.comm, of N ranks each takes every N-th record and gets the predictions of all, in
/// order and each once, with their scores: those of one process.
/// \throws Interrupted between records after a signal (on any rank), while a SignalWatch exists.
Evaluation evaluate(const OpenBundle& bundle, const Manifest& manifest, const std::string& split,
                    FeatureCache& cache, const EvaluationOptions& options);

/// predictions.jsonl, scores.json into a folder.
void write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation);

}  // namespace medseg
