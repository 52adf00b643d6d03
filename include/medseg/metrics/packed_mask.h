/// \file
/// Binary masks of an image or a volume, 64 pixels a word: counts take a few instructions a word.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "medseg/image/image.h"
#include "medseg/metrics/overlap.h"

namespace medseg {

/// depth (1 for an image), height, width.
using GridSize = std::array<std::int64_t, 3>;

/// First and one behind the last set cell along depth, height and width.
struct GridBox {
  GridSize low{}, high{};
};

class PackedMask {
 public:
  PackedMask() = default;
  explicit PackedMask(const GridSize& size);
  explicit PackedMask(const Mask& mask);

  const GridSize& size() const { return size_; }
  std::int64_t cells() const { return size_[0] * size_[1] * size_[2]; }
  /// `index` counts cells, the width running fastest.
  bool at(std::int64_t index) const {
    return (words_[static_cast<std::size_t>(index >> 6)] >> (index & 63) & 1U) != 0;
  }
  void set(std::int64_t index) {
    words_[static_cast<std::size_t>(index >> 6)] |= std::uint64_t{1} << (index & 63);
  }
  std::int64_t area() const;
  bool empty() const { return area() == 0; }

  /// \pre equal sizes.
  PackedMask& operator|=(const PackedMask& other);
  PackedMask& remove(const PackedMask& other);  ///< what is set there is cleared here
  bool operator==(const PackedMask&) const = default;

  /// None where nothing is set.
  std::optional<GridBox> box() const;
  /// Copies an image's mask to plane `z` of a volume. \pre the same height and width.
  void set_plane(std::int64_t z, const PackedMask& image);

  const std::vector<std::uint64_t>& words() const { return words_; }

 private:
  GridSize size_{};
  std::vector<std::uint64_t> words_;
};

/// \pre equal sizes.
OverlapCounts count_overlap(const PackedMask& predicted, const PackedMask& reference);

}  // namespace medseg
