/// \file
/// A dialogue before it is a record: what each turn asks for, so that rules can check its words.
#pragma once

#include <string>
#include <vector>

#include "medseg/base/choice.h"

namespace medseg {

enum class TurnKind {
  kFunction,
  kLocation,
  kAppearance,
  kConsequence,
  kDifferential,
  kJoint,     ///< two structures in one question
  kFollowUp,  ///< needs the answer before it
  kAbsent,    ///< asks for what is not there
};
template <>
struct Choice<TurnKind> {
  static constexpr ChoiceNames<TurnKind, 8> names = {{{TurnKind::kFunction, "function"},
                                                      {TurnKind::kLocation, "location"},
                                                      {TurnKind::kAppearance, "appearance"},
                                                      {TurnKind::kConsequence, "consequence"},
                                                      {TurnKind::kDifferential, "differential"},
                                                      {TurnKind::kJoint, "joint"},
                                                      {TurnKind::kFollowUp, "follow_up"},
                                                      {TurnKind::kAbsent, "absent"}}};
};

struct DraftTurn {
  TurnKind kind = TurnKind::kFunction;
  std::string question;  ///< without `<image>`
  std::string answer;
  std::vector<std::string> targets;  ///< mask ids, one a `[SEG]`, in order
  std::vector<std::string> absent;   ///< labels that the answer denies
};

using Draft = std::vector<DraftTurn>;

}  // namespace medseg
