/// \file
/// The hand-made turns of tests/golden/metrics/cases.json, for tests of scores and how they are
/// printed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/metrics/scores.h"

namespace medseg {

/// A mask of one row: `#` is set.
inline Mask mask_row(const std::string& text) {
  Mask mask(static_cast<int>(text.size()), 1);
  for (std::size_t i = 0; i < text.size(); ++i) mask.pixels[i] = text[i] == '#';
  return mask;
}

inline ScoredTurn turn_of(const nlohmann::json& item) {
  using Named = std::vector<std::pair<std::string, std::string>>;
  ScoredTurn turn;
  turn.modality = item["modality"];
  turn.phrasing = item["phrasing"];
  turn.asks_absent = item["asks_absent"];
  for (const auto& [target, mask] : item["reference"].get<Named>()) {
    turn.targets.push_back(target);
    turn.reference.push_back(mask_row(mask));
  }
  for (const auto& [phrase, mask] : item["predicted"].get<Named>()) {
    turn.phrases.push_back(phrase);
    turn.predicted.push_back(mask_row(mask));
  }
  return turn;
}

inline const nlohmann::json& score_cases() {
  static const auto cases =
      nlohmann::json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/cases.json"));
  return cases;
}

inline Scores scores_of_cases() {
  ScoreBoard board;
  for (const auto& item : score_cases()["cases"]) board.add(turn_of(item));
  return board.scores();
}

}  // namespace medseg
