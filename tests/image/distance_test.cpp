#include "medseg/image/distance.h"

#include <gtest/gtest.h>

#include "medseg/base/random.h"

namespace medseg {
namespace {

Mask noise(int width, int height, double share, std::uint64_t seed) {
  RandomStream random(seed, "distance", 0);
  Mask mask(width, height);
  for (auto& pixel : mask.pixels) pixel = random.uniform() < share ? 1 : 0;
  return mask;
}

/// By trying every set pixel.
std::vector<std::int64_t> by_trial(const Mask& mask) {
  std::vector<std::int64_t> squares;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      std::int64_t nearest = -1;
      for (int v = 0; v < mask.height; ++v) {
        for (int u = 0; u < mask.width; ++u) {
          if (mask.pixels[static_cast<std::size_t>(v * mask.width + u)] == 0) continue;
          const std::int64_t square = (x - u) * (x - u) + (y - v) * (y - v);
          if (nearest < 0 || square < nearest) nearest = square;
        }
      }
      squares.push_back(nearest);
    }
  }
  return squares;
}

TEST(Distance, IsThatToTheNearestSetPixel) {
  std::uint64_t seed = 0;
  for (const auto& [width, height] :
       std::vector<std::pair<int, int>>{{1, 1}, {1, 9}, {9, 1}, {2, 3}, {17, 8}, {23, 31}}) {
    for (const double share : {0.0, 0.01, 0.05, 0.5, 1.0}) {
      for (int repeat = 0; repeat < 5; ++repeat) {
        const auto mask = noise(width, height, share, ++seed);
        EXPECT_EQ(squared_distances(mask), by_trial(mask)) << width << "x" << height << " " << seed;
      }
    }
  }
}

TEST(Distance, ReachesAcrossALongPicture) {
  Mask mask(3000, 2);
  mask.pixels[0] = 1;
  const auto squares = squared_distances(mask);
  EXPECT_EQ(squares[2999], 2999 * 2999);
  EXPECT_EQ(squares[5999], 2999 * 2999 + 1);
  EXPECT_TRUE(squared_distances(Mask(0, 0)).empty());
  EXPECT_TRUE(signed_distances(Mask(0, 0)).empty());
}

TEST(Distance, SignedIsBelowZeroInside) {
  Mask mask(7, 1);
  mask.pixels = {0, 0, 1, 1, 1, 1, 1};
  EXPECT_EQ(signed_distances(mask), (std::vector<float>{2, 1, 0, -1, -2, -3, -4}));
  for (const auto value : {std::uint8_t{0}, std::uint8_t{1}}) {
    mask.pixels.assign(7, value);
    EXPECT_EQ(signed_distances(mask), std::vector<float>(7, 0.0F));
  }
}

}  // namespace
}  // namespace medseg
