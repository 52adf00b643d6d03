/// \file
/// How far the slices of a record's volume lie apart: what scores in three dimensions need.
#pragma once

#include <optional>

#include "medseg/dataset/manifest.h"

namespace medseg {

/// Millimetres from one slice to the next along the record's axis, from the volume's header;
/// nothing for an image file. \throws DataError "manifest:line: …" as load_image.
std::optional<double> slice_step_mm(const Manifest& manifest, const Record& record);

}  // namespace medseg
