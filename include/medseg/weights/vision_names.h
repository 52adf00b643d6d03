/// \file
/// The tensors of a vision tower in published files.
#pragma once

#include <string>
#include <vector>

#include "medseg/weights/name_map.h"

namespace medseg {

struct TowerNames {
  std::string
      tower;  ///< "clip", "siglip" or "dinov2", as VisionOptions::tower; "" if the file holds none
  std::vector<TensorSource> sources;  ///< with the names of the tower's module as targets
};

/// Finds the tower in a file, whatever prefix its names have (none, `vision_model.`,
/// `vision_tower.`, …) and whatever else is in the file: the text tower, projections, LLaVA's
/// language model. Left out although they belong to the tower: `position_ids` (a constant),
/// SigLIP's pooling head, and DINOv2's `mask_token` (for pre-training only). Both namings of
/// DINOv2's attention are known: that of the published files and that of transformers 5.
TowerNames vision_tower_names(const TensorFile& file);

}  // namespace medseg
