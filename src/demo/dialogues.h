/// \file
/// Which questions are asked about which slice, and in which words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scans.h"

namespace medseg {

/// One slice of the set.
struct DemoSlice {
  std::string id;  ///< "ct-head-041"
  std::string split;
  SliceContent content;
};

struct DemoTurn {
  std::vector<std::string> targets;  ///< labels of the masks, in the answer's order
  /// A structure that is asked for but not in the slice; then there are no targets.
  std::string absent;
  std::string question;
  std::string answer;
};

struct DemoDialogue {
  std::size_t slice = 0;  ///< index into the slices
  std::string id;
  std::string phrasing;  ///< "seen", "unseen"
  std::vector<DemoTurn> turns;
};

/// The dialogues of all slices. Training asks for rare structures more often. Validation asks for
/// each structure once. Test asks twice: once with wordings of training, once with wordings of its
/// own.
std::vector<DemoDialogue> plan_dialogues(const std::vector<DemoSlice>& slices, std::uint64_t seed);

}  // namespace medseg
