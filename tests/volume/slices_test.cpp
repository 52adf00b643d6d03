#include <cmath>

#include <gmock/gmock.h>

#include "medseg/volume/morphology.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

using testing::HasSubstr;

/// One bright voxel at the patient's right, front, top, stored along the given axis directions.
Volume patient(int right, int front) {
  Volume scan;
  scan.size = {4, 3, 2};
  scan.affine = {
      {{static_cast<double>(right), 0, 0, 0}, {0, static_cast<double>(front), 0, 0}, {0, 0, 1, 0}}};
  scan.voxels.assign(24, 0.0F);
  const std::size_t i = right > 0 ? 3 : 0;
  const std::size_t j = front > 0 ? 2 : 0;
  scan.voxels[(1 * 3 + j) * 4 + i] = 100.0F;
  return scan;
}

TEST(AxialSlice, FrontIsAtTheTopAndThePatientsRightOnTheLeft) {
  for (const int right : {1, -1}) {
    for (const int front : {1, -1}) {
      const Volume canonical = to_canonical(patient(right, front));
      const Image image = axial_slice(canonical, 1, {"test", 0, 100});
      EXPECT_EQ(image.width, 4);
      EXPECT_EQ(image.height, 3);
      EXPECT_EQ(image.pixels[0], 255) << right << " " << front;
      EXPECT_EQ(axial_mask(canonical, 1).pixels[0], 1);
      EXPECT_EQ(axial_mask(threshold(canonical, 50, 100), 1), axial_mask(canonical, 1));
      EXPECT_EQ(axial_mask(canonical, 0).area(), 0);
    }
  }
  EXPECT_THROW(axial_slice(patient(1, 1), 2, {"test", 0, 100}), CheckFailed);
}

TEST(AxialSlice, WindowsClampAndRound) {
  Volume scan;
  scan.size = {5, 1, 1};
  scan.voxels = {NAN, 300, 40, -160, -1000};
  const Image image = axial_slice(scan, 0, named_window("ct-soft"));
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{0, 0, 128, 255, 0}));  // 127.5 rounds up
}

TEST(Windows, KnownByNameOnly) {
  EXPECT_EQ(named_window("ct-lung").low, -1000);
  try {
    named_window("ct-bonne");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("ct-bone"));
  }
  Volume black;
  black.size = {1, 1, 1};
  black.voxels = {0};
  const Window window = percentile_window(black, 0.5, 99.5);
  EXPECT_LT(window.low, window.high);
  EXPECT_EQ(axial_slice(black, 0, window).pixels[0], 0);
}

}  // namespace
}  // namespace medseg
