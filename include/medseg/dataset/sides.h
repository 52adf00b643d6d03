/// \file
/// Does a text tell left from right? A picture whose dialogue does must not be mirrored: the answer
/// would be false.
///
/// It errs towards yes (a flip that is not made costs little, a false label much):
///   words          left, right and their compounds (left-sided, rightmost, LeftLung); dexter,
/// sinister, dextro…, levo…, situs,
///                  laterality, clockwise, o'clock; the words for both in German, French, Spanish,
/// Italian, Portuguese, Chinese
///                  and Japanese. Bright, cleft, upright and the like are none of them.
/// Ipsilateral, contralateral and bilateral
///                  stay true in a mirror.
///   abbreviations  L and R alone (not L4, a vertebra), or at an end of a name (hippocampus_l,
/// lh.precentral); LH RH LT RT; lobes and quadrants (LUL,
///                  RLQ …); in capitals, chambers and vessels of the heart (LV, RCA …)
///   structures     that lie on one side: liver, spleen, stomach, gallbladder, appendix, caecum,
/// colon, sigmoid, duodenum, pancreas,
///                  heart, aorta, vena cava, azygos. Their name asks for no side, but in a mirror
/// they are where no body has them.
#pragma once

#include <string>
#include <string_view>

#include "medseg/dataset/manifest.h"

namespace medseg {

bool tells_sides(std::string_view text);

/// Of a record: its questions and answers, the labels of its masks, and what it says is absent.
bool tells_sides(const Record& record);

}  // namespace medseg
