#include "medseg/curation/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drawn.h"

namespace medseg {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

MaskFacts of_box(int x0, int y0, int x1, int y1) {
  const auto facts =
      facts_of(body(), {box("a", "thing", x0, y0, x1, y1)}, kAxialView, std::nullopt);
  return facts.masks.at(0);
}

TEST(Facts, MeasureInPixelsAndMillimetres) {
  const auto facts =
      facts_of(body(), {box("a", "thing", 10, 20, 30, 25)}, kAxialView, {{0.5, 2.0}});
  const auto& mask = facts.masks.at(0);
  EXPECT_EQ(mask.area_px, 100);
  EXPECT_DOUBLE_EQ(*mask.area_mm2, 100.0);
  EXPECT_DOUBLE_EQ((*mask.extent_mm)[0], 10.0);
  EXPECT_DOUBLE_EQ((*mask.extent_mm)[1], 10.0);
  EXPECT_DOUBLE_EQ(mask.share, 100.0 / 8100);
  EXPECT_THAT(mask.box, ElementsAre(10, 20, 30, 25));
  EXPECT_DOUBLE_EQ(mask.centre[0], 20);
  EXPECT_DOUBLE_EQ(mask.centre[1], 22.5);
  EXPECT_EQ(mask.pieces, 1);
  EXPECT_EQ(mask.brightness, "grey");
}

TEST(Facts, WithoutSpacingThereAreNoMillimetres) {
  EXPECT_FALSE(of_box(10, 20, 30, 25).area_mm2);
  EXPECT_FALSE(of_box(10, 20, 30, 25).extent_mm);
}

TEST(Facts, LeftOfThePictureIsThePatientsRight) {
  EXPECT_EQ(of_box(10, 40, 30, 50).side_in_image, Side::kLeft);
  EXPECT_EQ(of_box(10, 40, 30, 50).side_of_patient, Side::kRight);
  EXPECT_EQ(of_box(60, 40, 80, 50).side_of_patient, Side::kLeft);
  EXPECT_EQ(of_box(30, 40, 60, 50).side_of_patient, Side::kMiddle);
}

TEST(Facts, TheMidlineIsThatOfTheBodyNotOfThePicture) {
  Image image = body();
  for (int y = 0; y < 90; ++y) {
    for (int x = 45; x < 90; ++x) image.pixels[static_cast<std::size_t>(y * 90 + x)] = 0;
  }
  const auto facts = facts_of(image, {box("a", "thing", 30, 40, 44, 50)}, kAxialView, std::nullopt);
  EXPECT_DOUBLE_EQ(facts.midline_px, 25);
  EXPECT_EQ(facts.masks.at(0).side_in_image, Side::kRight);
}

TEST(Facts, PartsOnBothSidesAreNotAcrossTheMiddle) {
  auto pair = box("a", "kidneys", 10, 40, 30, 50);
  pair.mask = mask_union(pair.mask, rectangle(90, 90, 60, 40, 80, 50));
  const auto facts = facts_of(body(), {pair}, kAxialView, std::nullopt);
  EXPECT_EQ(facts.masks.at(0).side_of_patient, Side::kBoth);
  EXPECT_EQ(facts.masks.at(0).pieces, 2);
}

TEST(Facts, AViewWithoutSidesTellsNone) {
  const View sagittal{Plane::kSagittal, false, false};
  const auto facts = facts_of(body(), {box("a", "thing", 10, 40, 30, 50)}, sagittal, std::nullopt);
  EXPECT_EQ(facts.masks.at(0).side_of_patient, Side::kNone);
  EXPECT_EQ(facts.masks.at(0).side_in_image, Side::kLeft);
}

TEST(Facts, NamesThirdsAndBorders) {
  EXPECT_EQ(of_box(0, 0, 10, 10).position, "upper left");
  EXPECT_THAT(of_box(0, 0, 10, 10).borders, ElementsAre("left", "top"));
  EXPECT_EQ(of_box(40, 40, 50, 50).position, "centre");
  EXPECT_THAT(of_box(40, 40, 50, 50).borders, IsEmpty());
  EXPECT_EQ(of_box(70, 80, 90, 90).position, "lower right");
  EXPECT_THAT(of_box(70, 80, 90, 90).borders, ElementsAre("right", "bottom"));
}

std::vector<std::string> relations(const NamedMask& a, const NamedMask& b) {
  const auto facts = facts_of(body(), {a, b}, kAxialView, std::nullopt);
  std::vector<std::string> names;
  for (const auto& mask : facts.masks) {
    for (const auto& neighbour : mask.neighbours)
      names.push_back(name_of(neighbour.relation) + " " + neighbour.direction);
  }
  return names;
}

TEST(Facts, RelationsOfTwoMasks) {
  const auto middle = box("a", "a", 30, 30, 50, 50);
  EXPECT_THAT(relations(middle, box("b", "b", 50, 30, 60, 50)),
              ElementsAre("touches right of", "touches left of"));
  EXPECT_THAT(relations(middle, box("b", "b", 50, 50, 60, 60)),  // corner to corner
              ElementsAre("touches below", "touches above"));
  EXPECT_THAT(relations(middle, box("b", "b", 52, 30, 60, 50)), IsEmpty());
  EXPECT_THAT(relations(middle, box("b", "b", 35, 32, 45, 40)),
              ElementsAre("contains above", "inside below"));
  EXPECT_THAT(relations(middle, box("b", "b", 30, 45, 50, 65)),
              ElementsAre("overlaps below", "overlaps above"));
}

TEST(Facts, EmptyMasksAreListedAndNothingElse) {
  const auto facts = facts_of(body(), {box("a", "ghost", 3, 3, 3, 3)}, kAxialView, std::nullopt);
  EXPECT_THAT(facts.masks, IsEmpty());
  EXPECT_THAT(facts.empty, ElementsAre("ghost"));
}

TEST(Facts, TextsMayQuoteWhatTheJsonShows) {
  const auto facts =
      facts_of(body(), {box("a", "thing", 10, 20, 30, 29)}, kAxialView, {{0.5, 0.5}});
  const auto json = facts_json(facts)["masks"][0];
  EXPECT_EQ(json["area_mm2"], 45.0);
  EXPECT_EQ(json["percent_of_picture"].get<double>(), 2.2);
  EXPECT_EQ(json["side_of_patient"], "right");
  const auto numbers = numbers_of(facts.masks.at(0));
  EXPECT_THAT(numbers, Contains(45.0));
  EXPECT_THAT(numbers, Contains(::testing::DoubleNear(2.2, 1e-9)));
  EXPECT_THAT(numbers, Contains(10.0));  // wide
}

TEST(Facts, BrightnessIsComparedWithinThePicture) {
  Image image = body();
  for (int x = 20; x < 30; ++x) {
    for (int y = 20; y < 30; ++y) image.pixels[static_cast<std::size_t>(y * 90 + x)] = 250;
  }
  const auto facts = facts_of(image, {box("a", "a", 20, 20, 30, 30), box("b", "b", 0, 0, 5, 5)},
                              kAxialView, std::nullopt);
  EXPECT_EQ(facts.masks.at(0).brightness, "bright");
  EXPECT_EQ(facts.masks.at(1).brightness, "dark");
}

}  // namespace
}  // namespace medseg
