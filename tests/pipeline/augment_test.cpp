#include "medseg/pipeline/augment.h"

#include <cmath>

#include <gtest/gtest.h>

#include "medseg/pipeline/sample.h"

namespace medseg {
namespace {

constexpr int kSide = 80;

Mask disc(double x, double y, double radius) {
  Mask mask(kSide, kSide);
  for (int v = 0; v < kSide; ++v) {
    for (int u = 0; u < kSide; ++u)
      mask.pixels[static_cast<std::size_t>(v * kSide + u)] = std::hypot(u - x, v - y) <= radius;
  }
  return mask;
}

Image picture_of(const Mask& mask) {
  Image image{kSide, kSide, 1, mask.pixels};
  for (auto& pixel : image.pixels) pixel = pixel == 0 ? 0 : 200;
  return image;
}

double iou(const Mask& a, const Image& b) {  // of the mask and the picture's bright part
  double both = 0, any = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const bool bright = b.pixels[i] > 100;
    both += a.pixels[i] != 0 && bright;
    any += a.pixels[i] != 0 || bright;
  }
  return both / any;
}

Record record_of(const std::string& question) {
  Record record;
  record.id = "r";
  record.turns.push_back({question, "[SEG]", {{"m"}}, true});
  record.masks["m"].label = "tumour";
  return record;
}

struct Visit {
  Image image;
  std::vector<Mask> masks;
  bool changed;
};

Visit visit(const AugmentOptions& options, const Record& record, const Mask& mask,
            std::uint64_t index) {
  Sample sample;
  sample.image = picture_of(mask);
  sample.masks = {mask};
  augment(options, record, RandomStream(1, "test", index), sample);
  return {sample.image, sample.masks, sample.augmented};
}

const Record kPlain = record_of("<image>\nWhat is bright?");

TEST(Augment, IsOffUnlessAsked) {
  const auto mask = disc(30, 40, 9);
  EXPECT_FALSE(AugmentOptions{}.is_on());
  const auto made = visit({}, kPlain, mask, 0);
  EXPECT_FALSE(made.changed);
  EXPECT_EQ(made.image.pixels, picture_of(mask).pixels);
  EXPECT_EQ(made.masks[0], mask);
}

TEST(Augment, MasksStayOnTheirStructures) {
  const AugmentOptions options{.flip = 0.5, .rotate = 45, .scale = 0.3, .shift = 0.1};
  const auto mask = disc(34, 45, 13);
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto made = visit(options, kPlain, mask, i);
    EXPECT_TRUE(made.changed);
    EXPECT_NE(made.masks[0], mask);
    EXPECT_GT(iou(made.masks[0], made.image), 0.93) << i;
  }
}

TEST(Augment, FlipsAsOftenAsAskedAndNeverWhereASideIsTold) {
  const AugmentOptions options{.flip = 0.3};
  const auto mask = disc(20, 40, 9), mirrored = disc(kSide - 1 - 20, 40, 9);
  int flips = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const auto made = visit(options, kPlain, mask, i);
    EXPECT_EQ(made.masks[0], made.changed ? mirrored : mask);
    EXPECT_EQ(made.image.pixels, picture_of(made.masks[0]).pixels);
    flips += made.changed;
  }
  EXPECT_NEAR(flips / 2000.0, 0.3, 0.03);
  for (const auto& record : {record_of("<image>\nWhich is the one on the left?"),
                             record_of("<image>\nWhere is the liver?")}) {
    for (std::uint64_t i = 0; i < 200; ++i)
      EXPECT_FALSE(visit({.flip = 1.0}, record, mask, i).changed);
  }
}

TEST(Augment, NoMaskIsPushedOut) {
  const AugmentOptions options{.flip = 0.5, .shift = 0.5, .brightness = 0.2};
  const auto mask = disc(4, 4, 3);
  int kept = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto made = visit(options, kPlain, mask, i);
    ASSERT_GT(made.masks[0].area(), 0) << i;
    EXPECT_TRUE(made.changed);  // its grey values at least
    if (made.masks[0] == mask) {
      ++kept;
      const auto inside = static_cast<std::size_t>(4 * kSide + 4);
      EXPECT_GT(made.image.pixels[inside],
                made.image.pixels[0]);  // the picture did not move either
    }
  }
  EXPECT_GT(kept, 100);
  const auto empty = visit({.shift = 0.3}, kPlain, Mask(kSide, kSide), 1);  // has nothing to lose
  EXPECT_TRUE(empty.changed);
}

TEST(Augment, OneOptionLeavesTheOthersNumbersAlone) {
  const auto mask = disc(40, 40, 12);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto few = visit({.rotate = 20}, kPlain, mask, i);
    const auto many =
        visit({.rotate = 20, .brightness = 0.1, .contrast = 0.2, .gamma = 0.3, .noise = 0.05},
              kPlain, mask, i);
    EXPECT_EQ(few.masks[0], many.masks[0]);
    EXPECT_NE(few.image.pixels, many.image.pixels);
  }
}

TEST(Augment, AShareOfTheVisits) {
  int changed = 0;
  for (std::uint64_t i = 0; i < 2000; ++i)
    changed += visit({.share = 0.25, .gamma = 0.5}, kPlain, disc(40, 40, 9), i).changed;
  EXPECT_NEAR(changed / 2000.0, 0.25, 0.03);
}

TEST(Augment, TurnsAreTrueInMillimetres) {
  auto record = kPlain;
  record.spacing_mm = {{1.0, 2.0}};  // a disc of 40 columns is 20 rows high
  Mask mask(kSide, kSide);
  for (int v = 0; v < kSide; ++v) {
    for (int u = 0; u < kSide; ++u) {
      mask.pixels[static_cast<std::size_t>(v * kSide + u)] =
          std::hypot(u - 39.5, 2 * (v - 39.5)) <= 20;
    }
  }
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto made = visit({.rotate = 45}, record, mask, i);
    EXPECT_GT(iou(made.masks[0], picture_of(mask)), 0.93) << i;  // a turned disc is the same disc
  }
}

}  // namespace
}  // namespace medseg
