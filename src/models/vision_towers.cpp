#include "medseg/models/vision_tower_row.h"

namespace medseg {

// A new tower is one line here and one file, which defines its row.
extern const VisionTowerRow kClipRow;
extern const VisionTowerRow kSiglipRow;
extern const VisionTowerRow kDinov2Row;
extern const VisionTowerRow kMedSiglipRow;

std::span<const VisionTowerRow* const> VisionTowerRow::table() {
  static const VisionTowerRow* const rows[] = {
      &kClipRow,
      &kSiglipRow,
      &kDinov2Row,
      &kMedSiglipRow,
  };
  return rows;
}

const VisionTowerRow* VisionTowerRow::standard() { return &kDinov2Row; }

}  // namespace medseg
