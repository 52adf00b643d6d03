/// \file
/// Sizes of SAM's parts from the shapes of their tensors (semantics 12).
#pragma once

#include <vector>

#include "medseg/models/grounding.h"
#include "medseg/weights/name_map.h"

namespace medseg {

/// Options of the model whose tensors `sources` would fill: SAM's ViT by its `image_encoder.pos_embed` (heads, window and
/// global blocks follow from the relative positions), TinyViT by its `image_encoder.patch_embed.seq.…` (1×1 kernels:
/// LiteMedSAM, 256 pixels; 3×3: MobileSAM, 1024 pixels), each with the prompt encoder and the mask decoder beside it.
/// What no shape tells: the decoder's heads (8, as published) and TinyViT's grid (64).
///
/// Every tensor of that model is then in the file and has its shape: nothing has been allocated to find out.
/// \throws CheckpointError in one line that names file and tensor: what is missing, of another shape, or contradicts another.
GroundingOptions grounding_geometry(const TensorFile& file,
                                    const std::vector<TensorSource>& sources);

}  // namespace medseg
