#include "medseg/volume/morphology.h"

#include <cmath>
#include <span>

#include "medseg/base/hash.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

std::string digest(const VoxelMask& mask) {
  return sha256(std::span<const std::uint8_t>(mask.voxels));
}

VoxelMask noise_mask(const nlohmann::json& row) {
  VoxelMask mask(row["size"].get<std::array<std::int64_t, 3>>());
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) mask.voxels[v] = noise(v) < row["below"];
  return mask;
}

Volume noise_scan() {
  Volume scan;
  scan.size = {17, 13, 5};
  for (std::size_t v = 0; v < 17 * 13 * 5; ++v) {
    scan.voxels.push_back(static_cast<float>(noise(v)) - 60.0F);
  }
  return scan;
}

TEST(Morphology, EqualsScipy) {
  for (const auto& row : golden_volume("morphology")) {
    const VoxelMask mask = noise_mask(row);
    const std::string what = row["size"].dump() + row["below"].dump();
    for (std::size_t i = 0; i < 2; ++i) {
      const int n = static_cast<int>(i) + 1;
      EXPECT_EQ(digest(open(mask, n)), row["open"][i]) << what;
      EXPECT_EQ(digest(close(mask, n)), row["close"][i]) << what;
      EXPECT_EQ(digest(erode(mask, n)), row["erode"][i]) << what;
      EXPECT_EQ(digest(dilate(mask, n)), row["dilate"][i]) << what;
      EXPECT_EQ(digest(open_by_slice(mask, n)), row["open_by_slice"][i]) << what;
      EXPECT_EQ(digest(close_by_slice(mask, i == 0 ? 1 : 3)), row["close_by_slice"][i]) << what;
    }
    EXPECT_EQ(digest(fill_holes_by_slice(mask)), row["fill"]) << what;
    EXPECT_EQ(digest(largest_components(mask)), row["largest"]) << what;
    EXPECT_EQ(digest(largest_components(mask, 2, 0.1)), row["two_largest"]) << what;
    const Components found = components(mask);
    EXPECT_EQ(found.counts.size(), row["components"]) << what;
    const auto* bytes = reinterpret_cast<const char*>(found.labels.data());
    EXPECT_EQ(sha256(std::string_view(bytes, 4 * found.labels.size())), row["labels"]) << what;
  }
}

TEST(Morphology, BlurEqualsScipy) {
  for (const auto& row : golden_volume("blur")) {
    const Volume out = blur_slices(noise_scan(), row["sigma"]);
    const auto expected = row["values"].get<std::vector<float>>();
    ASSERT_EQ(out.voxels.size(), expected.size());
    for (std::size_t v = 0; v < expected.size(); ++v) {
      ASSERT_NEAR(out.voxels[v], expected[v], 1e-4) << row["sigma"];
    }
  }
}

TEST(Morphology, PercentilesEqualNumpy) {
  Volume scan = noise_scan();
  scan.voxels.push_back(NAN);  // not measured
  for (const auto& row : golden_volume("percentile")) {
    EXPECT_NEAR(percentile(scan, row["percent"]), row["all"].get<double>(), 1e-9);
    const Window window = percentile_window(scan, row["percent"], 100);
    EXPECT_NEAR(window.low, row["positive"].get<double>(), 1e-9);
  }
}

TEST(Morphology, ThresholdsAndLabels) {
  Volume scan;
  scan.size = {5, 1, 1};
  scan.voxels = {-1, 0, 2.9F, 3, NAN};
  EXPECT_EQ(threshold(scan, 0, 3).voxels, (std::vector<std::uint8_t>{0, 1, 1, 1, 0}));
  EXPECT_EQ(labelled(scan, {3, -1}).voxels, (std::vector<std::uint8_t>{1, 0, 1, 1, 0}));
  EXPECT_EQ(labelled(scan, {0}).voxels, (std::vector<std::uint8_t>{0, 1, 0, 0, 0}));
  const VoxelMask a = threshold(scan, 0, 3);
  const VoxelMask b = threshold(scan, -1, 0);
  EXPECT_EQ(intersection(a, b).count(), 1);
  EXPECT_EQ(union_of(a, b).count(), 4);
  EXPECT_EQ(difference(a, b).count(), 2);
  EXPECT_THROW(intersection(a, VoxelMask({1, 1, 1})), CheckFailed);
  EXPECT_EQ(largest_components(VoxelMask({3, 3, 3})).count(), 0);
}

}  // namespace
}  // namespace medseg
