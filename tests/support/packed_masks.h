/// \file
/// Masks of fixtures and of few characters, packed.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/image/rle.h"
#include "medseg/metrics/packed_mask.h"

namespace medseg {

/// [height, width] or [depth, height, width].
inline GridSize grid_size(const nlohmann::json& size) {
  const auto sides = size.get<std::vector<std::int64_t>>();
  return sides.size() == 3 ? GridSize{sides[0], sides[1], sides[2]}
                           : GridSize{1, sides[0], sides[1]};
}

/// Counts of COCO's run lengths; the planes of a volume stand below each other.
inline PackedMask packed_mask(const nlohmann::json& counts, const GridSize& size) {
  const Mask flat = decode_rle(
      {static_cast<int>(size[0] * size[1]), static_cast<int>(size[2]), counts.get<std::string>()});
  PackedMask mask(size);
  for (std::int64_t i = 0; i < mask.cells(); ++i) {
    if (flat.pixels[static_cast<std::size_t>(i)] != 0) mask.set(i);
  }
  return mask;
}

/// Rows of an image, `#` is set.
inline PackedMask packed_rows(const std::vector<std::string>& rows) {
  PackedMask mask(GridSize{1, static_cast<std::int64_t>(rows.size()),
                           static_cast<std::int64_t>(rows.front().size())});
  std::int64_t index = 0;
  for (const auto& row : rows) {
    for (const char c : row) {
      if (c == '#') mask.set(index);
      ++index;
    }
  }
  return mask;
}

}  // namespace medseg
