/// \file
/// Sizes of SAM's parts from the shapes of their tensors.
#pragma once

#include <vector>

#include "medseg/models/grounding_options.h"
#include "medseg/weights/name_map.h"

namespace medseg {

/// Options of the model whose tensors `sources` would fill: the image encoder by the table of
/// grounding_options.h, with the prompt encoder and the mask decoder beside it. No shape tells the
/// decoder's heads (8, as published).
///
/// Checks that every tensor of that model is in the file and has its shape; nothing is allocated.
/// \throws CheckpointError in one line that names file and tensor: what is missing, of another
/// shape, or contradicts another.
GroundingOptions grounding_geometry(const TensorFile& file,
                                    const std::vector<TensorSource>& sources);

}  // namespace medseg
