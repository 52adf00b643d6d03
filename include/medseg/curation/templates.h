/// \file
/// The template stage: implicit dialogues of several turns from facts and a vocabulary, without a
/// language model. The same picture, vocabulary and seed give the same words on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/curation/dialogue.h"
#include "medseg/curation/pictures.h"
#include "medseg/curation/rules.h"

namespace medseg {

struct TemplateOptions {
  std::uint64_t seed = 0;
  std::size_t turns_least = 2;
  std::size_t turns_most = 5;
  double absent_share = 0.25;  ///< of the turns, where something may be denied
};

/// Dialogues that ask for every mask of at least kFewestPixels once. Those that break a rule are
/// worded anew a few times, then counted in `rejected` and left out. `stream` makes the random
/// numbers of this picture: its record's id.
std::vector<Draft> template_dialogues(const Picture& picture, const Vocabulary& vocabulary,
                                      const TemplateOptions& options, const std::string& stream,
                                      RuleCounts& rejected);

}  // namespace medseg
