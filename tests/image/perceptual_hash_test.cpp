#include "medseg/image/perceptual_hash.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "medseg/base/random.h"
#include "medseg/image/resize.h"

namespace medseg {
namespace {

// Soft random hills: a scene with structure at every scale of the hash.
Image scene(std::uint64_t seed, int width = 160, int height = 120) {
  RandomStream random(seed, "scene");
  Image small{16, 12, 1, {}};
  for (int i = 0; i < 16 * 12; ++i)
    small.pixels.push_back(static_cast<std::uint8_t>(20 + random.below(216)));
  return resize(small, width, height, Filter::kBicubic);
}

TEST(PerceptualHash, IsTheSameForGreyAndColour) {
  const Image grey = scene(1);
  EXPECT_EQ(perceptual_hash(grey), perceptual_hash(to_rgb(grey)));
  EXPECT_GT(perceptual_hash(grey).set_bits(), 60);
}

TEST(PerceptualHash, HardlyChangesWithSizeBrightnessAndNoise) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Image original = scene(seed);
    const auto hash = perceptual_hash(original);
    EXPECT_LE(distance(hash, perceptual_hash(resize(original, 97, 301, Filter::kBilinear))), 12);
    Image bright = original, noisy = original;
    RandomStream random(seed, "noise");
    for (auto& pixel : bright.pixels) pixel = static_cast<std::uint8_t>(pixel * 0.9 + 20);
    for (auto& pixel : noisy.pixels) {
      const int value = pixel + static_cast<int>(random.below(9)) - 4;
      pixel = static_cast<std::uint8_t>(std::min(std::max(value, 0), 255));
    }
    EXPECT_LE(distance(hash, perceptual_hash(bright)), 12);
    EXPECT_LE(distance(hash, perceptual_hash(noisy)), 12);
    EXPECT_GT(distance(hash, perceptual_hash(scene(seed + 100))), 40);
  }
}

TEST(PerceptualHash, OfAFlatPictureHasNoBitWhateverTheNoise) {
  Image flat{64, 64, 1, {}};
  RandomStream random(0, "flat");
  for (int i = 0; i < 64 * 64; ++i)
    flat.pixels.push_back(static_cast<std::uint8_t>(random.below(4)));
  EXPECT_EQ(perceptual_hash(flat).set_bits(), 0);
}

}  // namespace
}  // namespace medseg
