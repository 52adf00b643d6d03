#include "medseg/image/rle.h"

#include <cmath>

#include <gtest/gtest.h>

#include "image/golden_image.h"
#include "medseg/base/random.h"

namespace medseg {
namespace {

Mask mask_of(const nlohmann::json& row) {
  const int width = row["size"][0];
  const int height = row["size"][1];
  Mask mask(width, height);
  if (row.contains("below")) {
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = noise(i) < row["below"];
    return mask;
  }
  for (const auto& box : row["boxes"]) {
    for (int y = box[1]; y < box[3]; ++y) {
      for (int x = box[0]; x < box[2]; ++x)
        mask.pixels[static_cast<std::size_t>(y * width + x)] = 1;
    }
  }
  return mask;
}

TEST(Rle, EqualsPycocotoolsBothWays) {
  for (const auto& row : golden_image("rle")) {
    const Mask mask = mask_of(row);
    const Rle rle = encode_rle(mask);
    EXPECT_EQ(rle.counts, row["counts"]) << row["size"] << row;
    EXPECT_EQ(decode_rle(rle), mask) << row["size"];
  }
}

TEST(Polygons, EqualPycocotools) {
  for (const auto& row : golden_image("polygons")) {
    const Mask mask = fill_polygons(row["polygons"], row["size"][0], row["size"][1]);
    EXPECT_EQ(encode_rle(mask).counts, row["counts"]) << row;
  }
}

TEST(Polygons, RefuseWhatIsNoPolygon) {
  EXPECT_THROW(fill_polygons({{0, 0, 1, 1}}, 8, 8), DataError);
  EXPECT_THROW(fill_polygons({{0, 0, 1, 1, 2, 2, 3}}, 8, 8), DataError);
  EXPECT_THROW(fill_polygons({{0, 0, NAN, 1, 2, 2}}, 8, 8), DataError);
  EXPECT_THROW(fill_polygons({{0, 0, 1e300, 1, 2, 2}}, 8, 8), DataError);
  std::vector<double> zigzag;  // a long outline is work without end
  for (int i = 0; i < 1000; ++i) zigzag.insert(zigzag.end(), {i % 2 * 1.6e7, 0.0});
  EXPECT_THROW(fill_polygons({zigzag}, 8, 8), DataError);
  EXPECT_EQ(fill_polygons({}, 4, 4).area(), 0);
}

TEST(Rle, MalformedCountsAreData) {
  EXPECT_THROW(decode_rle({4, 4, "~"}), DataError);
  EXPECT_THROW(decode_rle({4, 4, " "}), DataError);
  EXPECT_THROW(decode_rle({4, 4, "P"}), DataError);                   // a number without an end
  EXPECT_THROW(decode_rle({4, 4, "oooooooooooooooooo"}), DataError);  // beyond 64 bits
  EXPECT_THROW(decode_rle({4, 4, ""}), DataError);                    // adds up to 0
  EXPECT_THROW(decode_rle({4, 4, "1"}), DataError);
  EXPECT_THROW(decode_rle({4, 4, "O"}), DataError);  // -1
  EXPECT_THROW(decode_rle({-1, 4, ""}), DataError);
  EXPECT_THROW(decode_rle({2147483647, 2147483647, "0"}), DataError);
  EXPECT_EQ(decode_rle({0, 0, ""}).pixels.size(), 0U);
}

TEST(Rle, AMaskWithoutPixelsHasARunOfNone) {
  const auto rle = encode_rle(Mask(50, 0));
  EXPECT_EQ(rle.counts, "0");
  const auto back = decode_rle(rle);
  EXPECT_EQ(back.width, 50);
  EXPECT_TRUE(back.pixels.empty());
}

TEST(Rle, RandomTextNeverCrashes) {
  RandomStream random(1, "rle");
  for (int n = 0; n < 20000; ++n) {
    Rle rle{static_cast<int>(random.below(9)), static_cast<int>(random.below(9)), ""};
    for (std::size_t i = random.below(12); i > 0; --i) {
      rle.counts += static_cast<char>(48 + random.below(64));
    }
    try {
      const Mask mask = decode_rle(rle);
      EXPECT_EQ(mask.pixels.size(), static_cast<std::size_t>(rle.width * rle.height));
    } catch (const DataError&) {
    }
  }
}

TEST(Mask, UnionAndArea) {
  Mask a(2, 1);
  Mask b(2, 1);
  a.pixels = {1, 0};
  b.pixels = {0, 1};
  EXPECT_EQ(mask_union(a, b).area(), 2);
  EXPECT_THROW(mask_union(a, Mask(1, 1)), CheckFailed);
}

}  // namespace
}  // namespace medseg
