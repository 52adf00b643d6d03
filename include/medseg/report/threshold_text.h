/// \file
/// How a chosen threshold is printed.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "medseg/metrics/threshold.h"

namespace medseg {

/// {"thresholds": {"mask_score", "manifest", "split", "right", …}}: a NaN is null.
nlohmann::ordered_json threshold_json(const ThresholdChoice& choice, const std::string& manifest,
                                      const std::string& split);

/// For a terminal: with and without the threshold beside each other.
std::string threshold_text(const ThresholdChoice& choice);

}  // namespace medseg
