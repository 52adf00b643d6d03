/// \file
/// Sizes of a published vision tower, from its tensors' shapes and its config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/models/published_tower.h"
#include "medseg/weights/name_map.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {

/// Heads of config.json, else of 64 columns each. \throws CheckpointError when they do not divide
/// `width`.
std::int64_t heads_of(const PublishedTower& part, std::int64_t width);

/// 24 of 576 positions. \throws CheckpointError if the positions fill no square.
std::int64_t side_of(const NamedShapes& shapes, const std::string& name, std::int64_t positions);

/// config.json's image size where it has the same grid, else the smallest that has it. \throws
/// CheckpointError.
std::int64_t image_size_of(const PublishedConfig& config, std::int64_t grid, std::int64_t patch);

/// What stands before `ending` in the first name of the file that has it.
std::optional<std::string> before(const TensorFile& file, std::string_view ending);

/// The tensors below `prefix` whose names go on with one of `beginnings`, under those names.
std::vector<TensorSource> sources_below(const TensorFile& file, const std::string& prefix,
                                        const std::vector<std::string_view>& beginnings);

}  // namespace medseg
