/// \file
/// What config.json of a published whole model says, whichever layout wrote it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/exchange/layout_import.h"
#include "medseg/models/segmenter.h"

namespace medseg {

struct LayoutConfig {
  std::filesystem::path path;  ///< of the file, for messages
  std::string layout;          ///< names of the tensors: lisa, glamm, llava, llava-hf (layouts.h)
  nlohmann::json language;     ///< of the language model, its family's defaults filled in
  nlohmann::json vision;       ///< of a tower inside the file; null where the file says nothing
  std::string tower;           ///< that the model was trained with, "" if unknown
  std::int64_t select_layer = -2;  ///< of the tower's hidden states
  ProjectorType projector = ProjectorType::kLinear;
  bool image_start_end = false;
  bool pads = false;              ///< the image is padded to a square, not cropped
  std::int64_t prompt_width = 0;  ///< out_dim; 0: not stated
  std::string conversation;
  std::string tokenizer_mode;
};

/// `command`: kLlava covers llava-hf, which is recognised by its config.
/// \throws CheckpointError naming file and field: unreadable, of another layout, or a feature that
/// is not supported.
LayoutConfig read_layout_config(const std::filesystem::path& folder, ImportLayout command);

}  // namespace medseg
