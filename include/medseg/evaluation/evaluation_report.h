/// \file
/// An evaluation's page: its scores, and its worst, median and best cases with pictures.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/report/evaluation_page.h"

namespace medseg {

/// Of what `evaluate` wrote into `folder`: predictions.jsonl. `shown` cases stand in each group.
/// \throws DataError as replay_predictions.
EvaluationReport report_evaluation(const std::filesystem::path& folder, const Manifest& manifest,
                                   const std::string& split, std::size_t shown);

}  // namespace medseg
