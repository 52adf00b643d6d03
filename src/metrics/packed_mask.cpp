#include "medseg/metrics/packed_mask.h"

#include <algorithm>
#include <bit>

#include "medseg/base/str.h"

namespace medseg {
namespace {

void check_sizes(const GridSize& a, const GridSize& b) {
  MEDSEG_CHECK(a == b, str_cat("masks of ", a[0], "x", a[1], "x", a[2], " and ", b[0], "x", b[1],
                               "x", b[2]));
}

}  // namespace

PackedMask::PackedMask(const GridSize& size)
    : size_(size), words_(static_cast<std::size_t>((cells() + 63) / 64)) {}

PackedMask::PackedMask(const Mask& mask) : PackedMask(GridSize{1, mask.height, mask.width}) {
  for (std::size_t i = 0; i < mask.pixels.size(); ++i)
    words_[i >> 6] |= static_cast<std::uint64_t>(mask.pixels[i] != 0) << (i & 63);
}

std::int64_t PackedMask::area() const {
  std::int64_t count = 0;
  for (const auto word : words_) count += std::popcount(word);
  return count;
}

PackedMask& PackedMask::operator|=(const PackedMask& other) {
  check_sizes(size_, other.size_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  return *this;
}

PackedMask& PackedMask::remove(const PackedMask& other) {
  check_sizes(size_, other.size_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  return *this;
}

std::optional<GridBox> PackedMask::box() const {
  GridBox box{size_, {0, 0, 0}};
  for (std::size_t w = 0; w < words_.size(); ++w) {
    for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
      const std::int64_t index = static_cast<std::int64_t>(w) * 64 + std::countr_zero(word);
      const GridSize here = {index / (size_[1] * size_[2]), index / size_[2] % size_[1],
                             index % size_[2]};
      for (std::size_t a = 0; a < 3; ++a) {
        box.low[a] = std::min(box.low[a], here[a]);
        box.high[a] = std::max(box.high[a], here[a] + 1);
      }
    }
  }
  if (box.high[0] == 0) return std::nullopt;
  return box;
}

void PackedMask::set_plane(std::int64_t z, const PackedMask& image) {
  check_sizes({1, size_[1], size_[2]}, image.size_);
  const std::int64_t first = z * size_[1] * size_[2];
  for (std::size_t w = 0; w < image.words_.size(); ++w) {
    for (std::uint64_t word = image.words_[w]; word != 0; word &= word - 1)
      set(first + static_cast<std::int64_t>(w) * 64 + std::countr_zero(word));
  }
}

OverlapCounts count_overlap(const PackedMask& predicted, const PackedMask& reference) {
  check_sizes(predicted.size(), reference.size());
  OverlapCounts counts;
  const auto& p = predicted.words();
  const auto& r = reference.words();
  for (std::size_t i = 0; i < p.size(); ++i) {
    counts.predicted += std::popcount(p[i]);
    counts.reference += std::popcount(r[i]);
    counts.intersection += std::popcount(p[i] & r[i]);
  }
  return counts;
}

}  // namespace medseg
