/// \file
/// Which questions are asked about which slice, and in which words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scans.h"

namespace medseg {

/// One slice that is in the set.
struct DemoSlice {
  std::string id;  ///< "ct-head-041"
  std::string split;
  SliceContent content;
};

struct DemoTurn {
  std::vector<std::string> targets;  ///< labels of the masks, in the answer's order
  std::string absent;                ///< the label asked for in vain; then there are no targets
  std::string question;
  std::string answer;
};

struct DemoDialogue {
  std::size_t slice = 0;  ///< index into the slices
  std::string id;
  std::string phrasing;  ///< "seen", "unseen"
  std::vector<DemoTurn> turns;
};

/// Dialogues of all slices: training asks rare structures more often, validation asks each
/// structure once, test twice: in words that training has too and in words of its own.
std::vector<DemoDialogue> plan_dialogues(const std::vector<DemoSlice>& slices, std::uint64_t seed);

}  // namespace medseg
