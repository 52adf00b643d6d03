/// \file
/// Left and right in texts: of the picture or of the patient.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "medseg/curation/facts.h"

namespace medseg {

struct SideWord {
  Side side = Side::kLeft;
  bool of_picture = false;  ///< "left part of the picture", "the left border"
  bool relative = false;    ///< "to the left of it": says nothing of the mask's own side
  std::string shown;        ///< with the words around it
};

/// The side words of `text`. Those inside of one of `labels` belong to that structure's name and
/// are left out, and so is "right" in another sense ("right behind", "right angle").
std::vector<SideWord> side_words_in(std::string_view text, const std::vector<std::string>& labels);

/// What is wrong with saying `word` of `mask`; "" where nothing is.
std::string side_fault(const SideWord& word, const MaskFacts& mask);

}  // namespace medseg
