/// \file
/// Masks out of COCO's `segmentation`: polygons, run lengths as a list, or packed.
#pragma once

#include "foreign_json.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

/// A mask source with `rle` or `polygons`; for polygons that are not whole pixels pycocotools'
/// filling holds (choice: as the manifest's polygons). \throws DataError naming the item.
MaskSource outline_of(const JsonItem& segmentation, const std::string& label);

/// The pixels. \pre `source` is of outline_of. \throws DataError at `where`.
Mask pixels_of(const MaskSource& source, int width, int height, const std::string& where);

}  // namespace medseg
