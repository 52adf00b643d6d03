/// \file
/// A few answers of an evaluation as a person wants to see them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/evaluation/evaluator.h"

namespace medseg {

struct ShownAnswer {
  std::string id;  ///< of the record
  int turn = 0;
  std::string question, expected, answer;
  /// RGB: the expected masks to the left, the answer's to the right, each with its legend.
  Image picture;
};

/// One turn's. \pre the manifest has the turn. \throws DataError as load_image and load_mask.
ShownAnswer shown_answer(const Prediction& prediction, const Manifest& manifest);

/// At most `count`, spread evenly over the evaluation's turns: the same questions each time, as
/// long as manifest, split and limit are the same. \throws DataError as load_image and load_mask.
std::vector<ShownAnswer> shown_answers(const Evaluation& evaluation, const Manifest& manifest,
                                       std::int64_t count);

}  // namespace medseg
