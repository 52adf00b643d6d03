#include "medseg/models/grounding_options.h"

namespace medseg {

// A new image encoder is one line here and one file, which defines its row.
extern const GroundingEncoderRow kTinyVitRow;
extern const GroundingEncoderRow kSamVitRow;

std::span<const GroundingEncoderRow* const> GroundingEncoderRow::table() {
  static const GroundingEncoderRow* const rows[] = {
      &kTinyVitRow,
      &kSamVitRow,
  };
  return rows;
}

const GroundingEncoderRow* GroundingEncoderRow::standard() { return &kTinyVitRow; }

}  // namespace medseg
