/// \file
/// A published grounding part (SAM, MedSAM, LiteMedSAM, MobileSAM), opened and measured.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "medseg/models/grounding_options.h"
#include "medseg/weights/name_map.h"

namespace medseg {

struct GroundingPart {
  std::unique_ptr<TensorFile> file;
  std::vector<TensorSource> sources;  ///< targets as Grounding names them
  GroundingOptions options;           ///< from the shapes
};

/// `path`: a .pth or .safetensors with segment_anything's names (flat, under "model", with
/// `module.` before them), or transformers' SamModel as a folder or one of its weight files. No
/// values are read yet; every tensor that the model needs is there with its shape.
/// \throws CheckpointError in one line.
GroundingPart open_grounding(const std::filesystem::path& path);

}  // namespace medseg
