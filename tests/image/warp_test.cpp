#include "medseg/image/warp.h"

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "medseg/image/intensity.h"

namespace medseg {
namespace {

constexpr int kWidth = 97, kHeight = 80;

Image noise_picture(int channels) {
  Image image{kWidth, kHeight, channels, {}};
  RandomStream random(3, "picture");
  for (int i = 0; i < kWidth * kHeight * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  return image;
}

Mask disc(double x, double y, double radius) {
  Mask mask(kWidth, kHeight);
  for (int v = 0; v < kHeight; ++v) {
    for (int u = 0; u < kWidth; ++u) {
      if (std::hypot(u - x, v - y) <= radius)
        mask.pixels[static_cast<std::size_t>(v * kWidth + u)] = 1;
    }
  }
  return mask;
}

Image picture_of(const Mask& mask) {
  Image image{mask.width, mask.height, 1, mask.pixels};
  for (auto& pixel : image.pixels) pixel = pixel == 0 ? 0 : 255;
  return image;
}

double iou(const Mask& a, const Mask& b) {
  std::int64_t both = 0, any = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    both += a.pixels[i] & b.pixels[i];
    any += a.pixels[i] | b.pixels[i];
  }
  return static_cast<double>(both) / static_cast<double>(any);
}

Mask bright(const Image& image) {
  Mask mask(image.width, image.height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = image.pixels[i] > 127;
  return mask;
}

TEST(Warp, NothingAndAFlipAreExact) {
  for (const int channels : {1, 3}) {
    const auto image = noise_picture(channels);
    EXPECT_EQ(warp(image, source_of({}, kWidth, kHeight)).pixels, image.pixels);
    const auto flip = source_of({.flip = true}, kWidth, kHeight);
    const auto mirrored = warp(image, flip);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        for (int c = 0; c < channels; ++c)
          ASSERT_EQ(mirrored.at(x, y)[c], image.at(kWidth - 1 - x, y)[c]);
      }
    }
    EXPECT_EQ(warp(mirrored, flip).pixels, image.pixels);
  }
}

TEST(Warp, WholePixelsMoveAsTheyAre) {
  const auto image = noise_picture(1);
  const auto moved = warp(image, source_of({.right = 5, .down = -3}, kWidth, kHeight));
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const bool inside = x - 5 >= 0 && y + 3 < kHeight;
      ASSERT_EQ(*moved.at(x, y), inside ? *image.at(x - 5, y + 3) : 0) << x << " " << y;
    }
  }
}

TEST(Warp, AMaskStaysOnItsStructure) {
  const auto mask = disc(60, 35, 14);
  const auto image = picture_of(mask);
  for (const bool flip : {false, true}) {
    for (const double degrees : {-40.0, -7.0, 0.0, 13.0, 45.0}) {
      for (const double scale : {0.7, 1.0, 1.4}) {
        const auto source = source_of(
            {.flip = flip, .scale = scale, .degrees = degrees, .right = 6.3, .down = -4.6}, kWidth,
            kHeight);
        const auto warped = warp(mask, source);
        EXPECT_GT(iou(warped, bright(warp(image, source))), 0.95)
            << flip << " " << degrees << " " << scale;
        const double area = static_cast<double>(mask.area()) * scale * scale;
        EXPECT_NEAR(static_cast<double>(warped.area()) / area, 1.0, 0.06) << degrees << scale;
      }
    }
  }
}

// (x, y) goes where the words of Placement say.
TEST(Warp, GoesWhereItSays) {
  const double middle_x = 0.5 * (kWidth - 1), middle_y = 0.5 * (kHeight - 1);
  const auto turned = [&](const Placement& place) {  // of a point right of the middle
    return warp(disc(middle_x + 20, middle_y, 3), source_of(place, kWidth, kHeight));
  };
  const auto is_at = [&](const Mask& mask, double x, double y) {
    return iou(mask, disc(middle_x + x, middle_y + y, 3)) > 0.6;
  };
  EXPECT_TRUE(is_at(turned({.degrees = 90}), 0, 20));  // clockwise: down
  EXPECT_TRUE(is_at(turned({.flip = true}), -20, 0));
  EXPECT_TRUE(is_at(turned({.right = -7, .down = 4}), 13, 4));
  EXPECT_TRUE(is_at(turned({.flip = true, .degrees = 90}), 0, -20));  // mirrored first
  // Pixels twice as high as wide: 20 columns are 10 rows.
  EXPECT_EQ(turned({.degrees = 90, .pixel_aspect = 2}).area() > 0, true);
  const auto low = warp(disc(middle_x + 20, middle_y, 3),
                        source_of({.degrees = 90, .pixel_aspect = 2}, kWidth, kHeight));
  EXPECT_EQ(low.pixels[static_cast<std::size_t>(std::lround(middle_y + 10) * kWidth +
                                                std::lround(middle_x))],
            1);
}

TEST(Warp, NeedsAnInverse) {
  EXPECT_THROW(source_of({.scale = 0}, 4, 4), CheckFailed);
  EXPECT_THROW(source_of({.pixel_aspect = -1}, 4, 4), CheckFailed);
}

TEST(IntensityOf, DoesWhatItSays) {
  Image image{4, 1, 1, {0, 51, 102, 255}};
  EXPECT_EQ(adjust(image, {}).pixels, image.pixels);
  EXPECT_EQ(adjust(image, {.brightness = 0.2}).pixels,
            (std::vector<std::uint8_t>{51, 102, 153, 255}));
  // mean 102
  const auto flat = adjust(image, {.contrast = 0.5});
  const double expected[] = {51, 76.5, 102, 178.5};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(flat.pixels[i], expected[i], 0.51);
  EXPECT_EQ(adjust(image, {.gamma = 2}).pixels, (std::vector<std::uint8_t>{0, 10, 41, 255}));
  EXPECT_THROW(adjust(image, {.gamma = 0}), CheckFailed);
  EXPECT_TRUE(adjust(Image{}, {.gamma = 2}).pixels.empty());
}

TEST(IntensityOf, NoiseHasItsDeviationAndKeepsGreyGrey) {
  const Image grey{200, 200, 3, std::vector<std::uint8_t>(200 * 200 * 3, 128)};
  RandomStream random(1, "noise"), again(1, "noise");
  const auto noisy = add_noise(grey, 0.04, random);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < noisy.pixels.size(); i += 3) {
    ASSERT_EQ(noisy.pixels[i], noisy.pixels[i + 1]);
    ASSERT_EQ(noisy.pixels[i], noisy.pixels[i + 2]);
    const double off = noisy.pixels[i] - 128.0;
    sum += off;
    squares += off * off;
  }
  EXPECT_NEAR(sum / 40000, 0.0, 0.3);
  EXPECT_NEAR(std::sqrt(squares / 40000), 0.04 * 255, 0.3);
  EXPECT_EQ(add_noise(grey, 0.04, again).pixels, noisy.pixels);
}

}  // namespace
}  // namespace medseg
