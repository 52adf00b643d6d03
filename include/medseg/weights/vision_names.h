/// \file
/// Where the tensors of a vision tower stand in published files.
#pragma once

#include <string>
#include <vector>

#include "medseg/weights/name_map.h"

namespace medseg {

struct TowerNames {
  std::string
      tower;  ///< "clip" | "siglip" | "dinov2", as VisionOptions::tower; "" if the file holds none
  std::vector<TensorSource> sources;  ///< targets as the tower's module names them
};

/// The tower of a file, whatever stands before its names (nothing, `vision_model.`, `vision_tower.`, …) and beside it: the text
/// tower, projections, LLaVA's language model. Left out although they are the tower's: `position_ids` (a constant), SigLIP's
/// pooling head, DINOv2's `mask_token` (for pre-training only). Both spellings of DINOv2's attention are known, that of published files
/// and that of transformers 5.
TowerNames vision_tower_names(const TensorFile& file);

}  // namespace medseg
