#include "regions.h"

#include <algorithm>

namespace medseg {
namespace {

std::size_t index_of(const Mask& mask, int x, int y) {
  return static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
         static_cast<std::size_t>(x);
}

bool is_set(const Mask& mask, int x, int y) {
  return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
         mask.pixels[index_of(mask, x, y)] != 0;
}

}  // namespace

std::vector<std::array<int, 2>> pixels_of(const Mask& mask) {
  std::vector<std::array<int, 2>> pixels;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      if (mask.pixels[index_of(mask, x, y)] != 0) pixels.push_back({x, y});
    }
  }
  return pixels;
}

Region region_of(const Mask& mask) {
  Region region;
  region.box = {mask.width, mask.height, 0, 0};
  double sum_x = 0, sum_y = 0;
  for (const auto& [x, y] : pixels_of(mask)) {
    ++region.area;
    sum_x += x + 0.5;
    sum_y += y + 0.5;
    region.box = {std::min(region.box[0], x), std::min(region.box[1], y),
                  std::max(region.box[2], x + 1), std::max(region.box[3], y + 1)};
  }
  if (region.area == 0) return {};
  const auto count = static_cast<double>(region.area);
  region.centre = {sum_x / count, sum_y / count};
  return region;
}

std::vector<std::vector<std::array<int, 2>>> pieces_of(const Mask& mask) {
  std::vector<std::vector<std::array<int, 2>>> pieces;
  std::vector<bool> seen(mask.pixels.size());
  for (const auto& start : pixels_of(mask)) {
    if (seen[index_of(mask, start[0], start[1])]) continue;
    seen[index_of(mask, start[0], start[1])] = true;
    std::vector<std::array<int, 2>> piece = {start};
    for (std::size_t next = 0; next < piece.size(); ++next) {
      const auto [px, py] = piece[next];
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          const int x = px + dx, y = py + dy;
          if (!is_set(mask, x, y) || seen[index_of(mask, x, y)]) continue;
          seen[index_of(mask, x, y)] = true;
          piece.push_back({x, y});
        }
      }
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::int64_t overlap_of(const Mask& a, const Region& ra, const Mask& b, const Region& rb) {
  std::int64_t common = 0;
  for (int y = std::max(ra.box[1], rb.box[1]); y < std::min(ra.box[3], rb.box[3]); ++y) {
    for (int x = std::max(ra.box[0], rb.box[0]); x < std::min(ra.box[2], rb.box[2]); ++x)
      common += is_set(a, x, y) && is_set(b, x, y) ? 1 : 0;
  }
  return common;
}

bool touch(const Mask& a, const Region& ra, const Mask& b) {
  for (int y = ra.box[1]; y < ra.box[3]; ++y) {
    for (int x = ra.box[0]; x < ra.box[2]; ++x) {
      if (!is_set(a, x, y)) continue;
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          if (is_set(b, x + dx, y + dy)) return true;
        }
      }
    }
  }
  return false;
}

}  // namespace medseg
