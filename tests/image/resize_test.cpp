#include "medseg/image/resize.h"

#include <map>

#include <gtest/gtest.h>

#include "image/golden_image.h"
#include "medseg/base/hash.h"

namespace medseg {
namespace {

TEST(Resize, EqualsPillowToTheLastBit) {
  const std::map<std::string, Filter> filters = {
      {"box", Filter::kBox}, {"bilinear", Filter::kBilinear}, {"bicubic", Filter::kBicubic}};
  for (const auto& row : golden_image("resize")) {
    const auto from = row["from"].get<std::vector<int>>();
    const auto to = row["to"].get<std::vector<int>>();
    const Image out = resize(noise_picture(from[0], from[1], from[2], row["steep"]), to[0], to[1],
                             filters.at(row["filter"]));
    EXPECT_EQ(out.width, to[0]);
    EXPECT_EQ(out.height, to[1]);
    EXPECT_EQ(sha256(std::span<const std::uint8_t>(out.pixels)), row["sha256"]) << row;
  }
}

TEST(ResizePart, IsACutOutOfTheWhole) {
  for (const int channels : {1, 3}) {
    const Image image = noise_picture(31, 17, channels);
    for (const auto& [width, height] : {std::pair{64, 9}, std::pair{31, 40}, std::pair{12, 17}}) {
      const Image whole = resize(image, width, height, Filter::kBicubic);
      const Image part = resize_part(image, width, height, Filter::kBicubic, 3, 2, 8, 6);
      EXPECT_EQ(part.width, 8);
      EXPECT_EQ(part.height, 6);
      EXPECT_EQ(part.pixels, crop(whole, 3, 2, 8, 6).pixels) << width << "x" << height;
    }
  }
  const Image image = noise_picture(31, 17, 1);
  EXPECT_EQ(resize_part(image, 31, 17, Filter::kBox, 4, 5, 6, 7).pixels,
            crop(image, 4, 5, 6, 7).pixels);
  EXPECT_THROW(resize_part(image, 8, 8, Filter::kBox, 1, 0, 8, 8), CheckFailed);
}

TEST(ResizeNearest, TakesThePixelUnderTheCentre) {
  Mask mask(3, 1);
  mask.pixels = {0, 1, 0};
  EXPECT_EQ(resize_nearest(mask, 6, 1).pixels, (std::vector<std::uint8_t>{0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(resize_nearest(mask, 1, 2).pixels, (std::vector<std::uint8_t>{1, 1}));
  mask = Mask(4, 1);
  mask.pixels = {1, 0, 0, 1};
  EXPECT_EQ(resize_nearest(mask, 2, 1).pixels, (std::vector<std::uint8_t>{0, 1}));
}

TEST(Crop, IsZeroBeyondThePicture) {
  const Image image{2, 2, 1, {1, 2, 3, 4}};
  EXPECT_EQ(crop(image, 1, 1, 2, 2).pixels, (std::vector<std::uint8_t>{4, 0, 0, 0}));
  EXPECT_EQ(crop(image, -1, -1, 2, 2).pixels, (std::vector<std::uint8_t>{0, 0, 0, 1}));
  EXPECT_EQ(crop(image, 2147483647, -2147483647, 2, 1).pixels, (std::vector<std::uint8_t>{0, 0}));
  const Image rgb{2, 1, 3, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(crop(rgb, 1, 0, 1, 1).pixels, (std::vector<std::uint8_t>{4, 5, 6}));
}

TEST(Resize, RefusesToShrinkToNothing) {
  EXPECT_THROW(resize(noise_picture(2, 2, 1), 0, 2, Filter::kBox), CheckFailed);
  EXPECT_THROW(resize_nearest(Mask(), 2, 2), CheckFailed);
}

}  // namespace
}  // namespace medseg
