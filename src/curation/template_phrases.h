/// \file
/// The sentences of the template stage.
#pragma once

#include <string>
#include <vector>

#include "medseg/base/random.h"
#include "medseg/curation/dialogue.h"
#include "medseg/curation/facts.h"
#include "medseg/curation/vocabulary.h"

namespace medseg {

/// What a question of one kind says of a structure.
struct Clue {
  TurnKind kind = TurnKind::kFunction;
  std::string phrase;
  bool plural = false;
};

/// All clues that the vocabulary has for a label; empty without an entry.
std::vector<Clue> clues_of(const Structure* structure);

/// "Which structure relays almost all sensation to the cortex? The one on the patient's left is
/// meant."
std::string question_of(const Clue& clue, Side side, RandomStream& random);

/// For a mask whose label no entry explains: by place and brightness alone.
std::string question_by_facts(const MaskFacts& mask, RandomStream& random);

/// "The structure that relays … is the <p> left thalamus </p> [SEG]; it lies in the lower right
/// part of the picture, on the patient's left."
std::string answer_of(const Clue& clue, const MaskFacts& mask, const PictureFacts& facts,
                      const std::string& modality);
std::string answer_by_facts(const MaskFacts& mask, const PictureFacts& facts,
                            const std::string& modality);

/// "The structure that … would be the left thalamus; it is not seen in this slice."
std::string denial_of(const Clue& clue, const std::string& label, bool slice, RandomStream& random);

/// "in this axial MR slice", "in this CT picture"
std::string view_text(const PictureFacts& facts, const std::string& modality);

/// ", in the lower right part of the picture, on the patient's left"
std::string place_text(const MaskFacts& mask);

/// "<p> left thalamus </p> [SEG]"
std::string marked(const MaskFacts& mask);

}  // namespace medseg
