/// \file
/// Questions and answers for sources that have masks and no words, and which structures are asked
/// for although they are not there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/convert/draft.h"

namespace medseg {

/// "CT slice", "ultrasound image", … with what stands in the record.
std::string image_word(const Record& record);

/// The records of a draft, a few turns each: every structure of at least `min_area` pixels is asked
/// for once, and `absent` times as often one that is not there. Not asked for as absent: what is
/// drawn too small, what `doubtful` names, and what shares its name but for the side with a
/// structure that is there without one ("kidney" is there: nothing is said of the left kidney).
std::vector<Record> render_questions(const Draft& draft, const ConvertOptions& options,
                                     std::uint64_t number);

}  // namespace medseg
