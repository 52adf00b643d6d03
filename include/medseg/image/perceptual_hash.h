/// \file
/// A hash of what an image shows: copies that were scaled, compressed or brightened keep it nearly.
///
/// The image is shrunk to 17 x 16 grey cells (box filter); a bit says that a cell is brighter than
/// its right neighbour by more than two grey levels, so that flat background is 0 whatever the
/// noise (a difference hash, 256 bits). Turned or mirrored copies have other bits.
#pragma once

#include <array>
#include <cstdint>

#include "medseg/image/image.h"

namespace medseg {

struct PerceptualHash {
  std::array<std::uint64_t, 4> words{};

  int set_bits() const;  ///< few: a picture without structure
  bool operator==(const PerceptualHash&) const = default;
};

/// Grey and colour alike. \pre not empty.
PerceptualHash perceptual_hash(const Image& image);

/// Bits that differ, 0 to 256.
int distance(const PerceptualHash& a, const PerceptualHash& b);

}  // namespace medseg
