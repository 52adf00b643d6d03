#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/volume/volume.h"

namespace medseg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Volume volume_of(std::vector<float> voxels) {
  Volume volume;
  volume.size = {static_cast<std::int64_t>(voxels.size()), 1, 1};
  volume.voxels = std::move(voxels);
  return volume;
}

/// Air, lung, fat, soft tissue and bone.
Volume chest() { return volume_of({-1000, -1000, -750, -90, 50, 60, 700}); }

TEST(ChooseWindow, ACtWithoutOneIsShownAsSoftTissueAndSaysSo) {
  const auto chosen = choose_window(chest(), "ct", "");
  EXPECT_EQ(window_text(chosen.window), "ct-soft(-160, 240)");
  EXPECT_TRUE(chosen.assumed);
  EXPECT_THAT(chosen.notes, ElementsAre(HasSubstr("a CT without \"window\": shown as ct-soft")));
  EXPECT_EQ(choose_window(chest(), "CT", "").window.name, "ct-soft");
}

TEST(ChooseWindow, ANamelessModalityIsToldByHounsfieldUnits) {
  EXPECT_THAT(choose_window(chest(), "", "").notes, ElementsAre(HasSubstr("look like a CT")));
  EXPECT_EQ(choose_window(chest(), "mr", "").window.name, "mr-percentile");
}

TEST(ChooseWindow, ACtThatIsScaledIsShownByItsPercentiles) {
  Volume scaled = chest();
  for (auto& voxel : scaled.voxels) voxel = voxel / 500;
  const auto chosen = choose_window(scaled, "ct", "");
  EXPECT_EQ(chosen.window.name, "mr-percentile");
  EXPECT_LT(chosen.window.low, -1);
  EXPECT_THAT(chosen.notes, ElementsAre(HasSubstr("no Hounsfield units")));
}

TEST(ChooseWindow, WhatWasAskedForIsTakenWithoutAWord) {
  const auto chosen = choose_window(chest(), "ct", "ct-lung");
  EXPECT_EQ(chosen.window.low, -1000);
  EXPECT_FALSE(chosen.assumed);
  EXPECT_THAT(chosen.notes, IsEmpty());
  EXPECT_THROW(choose_window(chest(), "ct", "ct-wood"), ConfigError);
}

TEST(ChooseWindow, NegativeValuesOfTheBodyCount) {
  // z-scores: a third is background of one value.
  std::vector<float> voxels(50, -0.9F);
  for (int i = 0; i < 100; ++i) voxels.push_back(-2 + 0.04F * static_cast<float>(i));
  const auto window = body_percentile_window(volume_of(voxels), 0, 100);
  EXPECT_FLOAT_EQ(static_cast<float>(window.low), -2);
  EXPECT_FLOAT_EQ(static_cast<float>(window.high), 1.96F);
  const auto middle = body_percentile_window(volume_of(voxels), 50, 100);
  EXPECT_NEAR(middle.low, -0.02, 1e-6);  // of the 100, not of the 150
}

TEST(ChooseWindow, InfiniteVoxelsAreNotMeasured) {
  const float inf = std::numeric_limits<float>::infinity();
  const Volume map = volume_of({inf, NAN, -inf, 100, 200, 300});
  const Volume clean = volume_of({0, 0, 0, 100, 200, 300});
  EXPECT_EQ(window_text(body_percentile_window(map, 0, 100)),
            window_text(body_percentile_window(clean, 0, 100)));
  EXPECT_EQ(axial_slice(map, 0, body_percentile_window(map, 0, 100)).pixels,
            axial_slice(clean, 0, body_percentile_window(clean, 0, 100)).pixels);
  EXPECT_EQ(choose_window(volume_of({inf, NAN, -inf}), "mr", "").window.name, "mr-percentile");
}

TEST(ChooseWindow, SixteenBitImagesAreShownByTheirOwnRange) {
  Image16 image{3, 1, {31768, 32768, 33468}};
  auto chosen = choose_window(image, "ct", "");
  EXPECT_EQ(window_text(chosen.window), "own-range(31768, 33468)");
  EXPECT_THAT(chosen.notes, ElementsAre(HasSubstr("Hounsfield units + 32768")));
  EXPECT_EQ(through_window(image, chosen.window).pixels.back(), 255);
  chosen = choose_window(image, "ct", "mine(32608, 33008)");
  EXPECT_THAT(chosen.notes, IsEmpty());
  EXPECT_EQ(through_window(image, chosen.window).pixels[1], 102);
}

TEST(ChooseWindow, TheFilesOwnComesBeforePercentiles) {
  Volume mr = volume_of({0, 10, 20, 400});
  mr.modality = "mr";
  mr.window = Window{"dicom", 0, 50};
  EXPECT_EQ(choose_window(mr, "", "").window.high, 50);
  mr.voxels = chest().voxels;
  mr.modality = "ct";
  EXPECT_EQ(choose_window(mr, "", "").window.name, "ct-soft");
}

TEST(NamedWindow, SourcesNameTheirOwn) {
  EXPECT_EQ(named_window("medsam-ct-lung").low, -1350);      // L-600 W1500
  EXPECT_EQ(named_window("biomedparse-ct-lung").low, -910);  // L-160 W1500
  const auto three = medgemma_ct_windows();
  EXPECT_EQ(three[0].high, 1025);
  EXPECT_EQ(three[1].low, -135);
  EXPECT_EQ(three[2].high, 80);
}

TEST(GreyUse, CountsLevelsAndEnds) {
  const auto use = grey_use(Image{4, 1, 1, {0, 0, 7, 255}});
  EXPECT_EQ(use.levels, 3);
  EXPECT_DOUBLE_EQ(use.black, 0.5);
  EXPECT_DOUBLE_EQ(use.white, 0.25);
}

}  // namespace
}  // namespace medseg
