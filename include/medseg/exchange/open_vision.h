/// \file
/// A published vision tower (CLIP, SigLIP, DINOv2), opened and measured.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "medseg/bundle/bundle.h"
#include "medseg/weights/name_map.h"

namespace medseg {

struct VisionPart {
  std::unique_ptr<TensorFile> file;
  std::vector<TensorSource> sources;  ///< targets as the tower names them
  /// From the shapes; heads, activation and eps from config.json where there is one.
  VisionOptions options;
  /// The mode is the published one; mean and deviation are those of preprocessor_config.json, else
  /// the published ones.
  VisionPreprocess preprocess;
};

/// `path`: a Hugging Face folder or one of its weight files (a folder of a whole CLIP or LLaVA
/// too), or the ONNX export of a DINOv2 tower. Of the weights only DINOv2's positions in an ONNX
/// file are read. The result is checked: every tensor that the tower needs is there with its shape,
/// and config.json does not contradict the shapes. `described_by`: the folder whose config.json and
/// preprocessor_config.json count, if not the weights' own. \throws CheckpointError in one line.
VisionPart open_vision(const std::filesystem::path& path,
                       const std::filesystem::path& described_by = {});

}  // namespace medseg
