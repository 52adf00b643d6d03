/// \file
/// Sizes of a vision tower from the shapes of its tensors, and from config.json what shapes cannot say.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "medseg/models/segmenter.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {

/// The tower's part of a Hugging Face config.json (`vision_config`, or all of a tower's own), and where it was read.
struct TowerConfig {
  std::filesystem::path path;
  nlohmann::json json = nlohmann::json::object();  ///< empty where there is none

  /// \throws CheckpointError if `key` is there and another number.
  void expect(const char* key, std::int64_t found) const;
  std::int64_t integer(const char* key, std::int64_t otherwise) const;
  double number(const char* key, double otherwise) const;
  std::string word(const char* key, const std::string& otherwise) const;
};

/// \throws CheckpointError naming the file and the tensor or key at fault.
ClipOptions clip_geometry(const NamedShapes& shapes, const TowerConfig& config);
SiglipOptions siglip_geometry(const NamedShapes& shapes, const TowerConfig& config);
/// `image_size`: of the pictures that the tower will see, rounded down to whole patches.
Dinov2Options dinov2_geometry(const NamedShapes& shapes, const TowerConfig& config,
                              std::int64_t image_size);

}  // namespace medseg
