#include "medseg/metrics/surface.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "medseg/metrics/boundary.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

using nlohmann::json;

const json& golden() {
  static const json file =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/surfaces.json"));
  return file;
}

double expected(const json& value) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (value.is_string()) return std::numeric_limits<double>::infinity();
  return value.get<double>();
}

void expect_equal(const json& value, double got, double tolerance, const std::string& name) {
  const double want = expected(value);
  if (std::isnan(want)) {
    EXPECT_TRUE(std::isnan(got)) << name << " is " << got;
  } else if (std::isinf(want)) {
    EXPECT_TRUE(std::isinf(got)) << name << " is " << got;
  } else {
    EXPECT_NEAR(want, got, tolerance) << name;
  }
}

SurfaceScores scores_of(const json& item, double tolerance, GridSpacing spacing) {
  const auto size = grid_size(item["size"]);
  return surface_scores(
      packed_mask(item["predicted"], size), packed_mask(item["reference"], size), spacing,
      item["size"].size() == 3 ? Dimensions::kVolume : Dimensions::kImage, tolerance);
}

TEST(Surface, EqualsMonaiAndDeepMindOnRandomMasks) {
  ASSERT_EQ(golden()["cases"].size(), 32U);
  for (std::size_t i = 0; i < golden()["cases"].size(); ++i) {
    const json& item = golden()["cases"][i];
    const auto steps = item["spacing"].get<std::vector<double>>();
    const GridSpacing spacing = steps.size() == 3 ? GridSpacing{steps[0], steps[1], steps[2]}
                                                  : GridSpacing{1, steps[0], steps[1]};
    const auto got = scores_of(item, item["tolerance"], spacing);
    const std::string name = "case " + std::to_string(i) + " ";
    const json &monai = item["monai"], &deepmind = item["deepmind"];
    expect_equal(monai["hd"], got.hd, 1e-4, name + "hd");  // the originals compute in fp32
    expect_equal(monai["hd95"], got.hd95_monai, 1e-4, name + "hd95");
    expect_equal(monai["asd"], got.asd, 1e-4, name + "asd");
    expect_equal(monai["assd"], got.assd, 1e-4, name + "assd");
    expect_equal(monai["nsd"], got.nsd_monai, 1e-6, name + "nsd");
    expect_equal(deepmind["hd95"], got.hd95_deepmind, 1e-9, name + "hd95, DeepMind");
    expect_equal(deepmind["nsd"], got.nsd_deepmind, 1e-9, name + "nsd, DeepMind");
  }
}

TEST(Surface, EmptyMasksAreAsInMonai) {
  for (const json& item : golden()["empties"]) {
    const auto got = scores_of(item, 2, {1, 1, 1});
    const json& monai = item["monai"];
    expect_equal(monai["hd"], got.hd, 0, "hd");
    expect_equal(monai["asd"], got.asd, 0, "asd");
    expect_equal(monai["nsd"], got.nsd_monai, 0, "nsd");
    expect_equal(monai["hd95"], got.hd95_monai, 0, "hd95");
  }
}

TEST(Surface, AMissIsTheDiagonalAndNeverLeavesAMean) {
  const auto reference = packed_rows({"....", ".##.", "...."});
  const PackedMask nothing(reference.size());
  const GridSpacing spacing = {1, 4, 1};
  const auto scores =
      worst_case_scores(surface_scores(nothing, reference, spacing, Dimensions::kImage, 2),
                        reference.size(), spacing, Dimensions::kImage);
  const double diagonal = std::hypot(3 * 4.0, 4 * 1.0);
  EXPECT_DOUBLE_EQ(scores.hd95_monai, diagonal);
  EXPECT_DOUBLE_EQ(scores.hd95_deepmind, diagonal);
  EXPECT_DOUBLE_EQ(scores.assd, diagonal);
  EXPECT_EQ(scores.nsd_monai, 0);
  EXPECT_EQ(scores.nsd_deepmind, 0);
  const auto exact = surface_scores(reference, reference, spacing, Dimensions::kImage, 2);
  EXPECT_EQ(exact.hd95_monai, 0);
  EXPECT_EQ(exact.nsd_deepmind, 1);
}

TEST(Surface, BoundaryIouEqualsTheOriginalsRule) {
  for (const json& item : golden()["cases"]) {
    if (!item.contains("boundary_iou")) continue;
    const auto size = grid_size(item["size"]);
    EXPECT_NEAR(
        item["boundary_iou"].get<double>(),
        boundary_iou(packed_mask(item["predicted"], size), packed_mask(item["reference"], size)),
        1e-12);
  }
}

// The nearest set cell by trying all.
double nearest_square(const std::vector<std::uint8_t>& cells, const GridSize& size,
                      const GridSpacing& spacing, const GridSize& from) {
  double best = std::numeric_limits<double>::infinity();
  std::size_t index = 0;
  for (std::int64_t z = 0; z < size[0]; ++z) {
    for (std::int64_t y = 0; y < size[1]; ++y) {
      for (std::int64_t x = 0; x < size[2]; ++x, ++index) {
        if (cells[index] == 0) continue;
        const double dz = static_cast<double>(z - from[0]) * spacing[0],
                     dy = static_cast<double>(y - from[1]) * spacing[1],
                     dx = static_cast<double>(x - from[2]) * spacing[2];
        best = std::min(best, dz * dz + dy * dy + dx * dx);
      }
    }
  }
  return best;
}

TEST(DistanceField, EqualsTheNearestCellByTryingAll) {
  RandomStream random(0, "distance field");
  for (int round = 0; round < 20; ++round) {
    const GridSize size = {static_cast<std::int64_t>(1 + random.below(5)),
                           static_cast<std::int64_t>(1 + random.below(9)),
                           static_cast<std::int64_t>(1 + random.below(11))};
    const GridSpacing spacing = {0.5 + random.uniform() * 4, 0.5 + random.uniform(),
                                 0.5 + random.uniform() * 2};
    std::vector<std::uint8_t> cells(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (auto& cell : cells) cell = random.uniform() < 0.1 ? 1 : 0;
    const auto squares = squared_distances(cells, size, spacing);
    std::size_t index = 0;
    for (std::int64_t z = 0; z < size[0]; ++z) {
      for (std::int64_t y = 0; y < size[1]; ++y) {
        for (std::int64_t x = 0; x < size[2]; ++x, ++index) {
          const double want = nearest_square(cells, size, spacing, {z, y, x});
          if (std::isinf(want)) {
            EXPECT_TRUE(std::isinf(squares[index]));
          } else {
            EXPECT_NEAR(want, squares[index], 1e-9);
          }
        }
      }
    }
  }
}

TEST(PackedMask, CountsUnionsAndBoxes) {
  const auto a = packed_rows({"##..", "....", "..#."}), b = packed_rows({".#..", "...#", "...."});
  auto both = a;
  both |= b;
  EXPECT_EQ(both.area(), 4);
  EXPECT_EQ(count_overlap(a, b).intersection, 1);
  auto rest = a;
  rest.remove(b);
  EXPECT_EQ(rest.area(), 2);
  const auto box = b.box();
  ASSERT_TRUE(box.has_value());
  EXPECT_EQ(box->low, (GridSize{0, 0, 1}));
  EXPECT_EQ(box->high, (GridSize{1, 2, 4}));
  EXPECT_FALSE(PackedMask(GridSize{1, 3, 4}).box().has_value());
  EXPECT_EQ(PackedMask(Mask(100, 7)).cells(), 700);
}

}  // namespace
}  // namespace medseg
