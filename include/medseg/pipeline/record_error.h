/// \file
/// A record that cannot become a sample, and the part of it that is at fault.
#pragma once

#include <string>

#include "medseg/base/choice.h"
#include "medseg/base/error.h"

namespace medseg {

/// The names stand in quarantine.jsonl and in checkpoints.
enum class RecordPart { kLine, kDialogue, kImage, kMasks };
template <>
struct Choice<RecordPart> {
  static constexpr ChoiceNames<RecordPart, 4> names = {{{RecordPart::kLine, "line"},
                                                        {RecordPart::kDialogue, "dialogue"},
                                                        {RecordPart::kImage, "picture"},
                                                        {RecordPart::kMasks, "masks"}}};
};

class RecordError : public DataError {
 public:
  RecordError(RecordPart part, std::string where, std::string reason)
      : DataError(std::move(where), std::move(reason)), part_(part) {}

  RecordPart part() const noexcept { return part_; }

 private:
  RecordPart part_;
};

/// Runs `work`; a DataError that leaves it becomes a RecordError of this part.
template <class Work>
decltype(auto) reading_part(RecordPart part, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const DataError& error) {
    throw RecordError(part, error.where(), error.reason());
  }
}

}  // namespace medseg
