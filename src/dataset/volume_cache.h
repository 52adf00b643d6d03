/// \file
/// The volumes that records were read from last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "medseg/volume/volume.h"

namespace medseg {

struct CachedVolume {
  Volume turned;            ///< to the nearest RAS axes
  std::string stored_axes;  ///< of the file: `axes_name`
  std::string digest;       ///< SHA-256 of size and voxels; computed when it is first asked for
};

/// Neighbouring records show slices of one volume, and their masks are slices of its label volume:
/// each thread keeps the last three. \throws DataError as read_volume.
std::shared_ptr<CachedVolume> cached_volume(const std::filesystem::path& path,
                                            std::optional<std::int64_t> index);

}  // namespace medseg
