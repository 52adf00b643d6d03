/// \file
/// Why an answer ended.
#pragma once

#include "medseg/base/choice.h"

namespace medseg {

/// The names stand in answer.json and predictions.jsonl.
enum class Finish { kEos, kLength };
template <>
struct Choice<Finish> {
  static constexpr ChoiceNames<Finish, 2> names = {
      {{Finish::kEos, "eos"}, {Finish::kLength, "length"}}};
};

}  // namespace medseg
