// Detection, connected pieces and assignment against the originals' libraries.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/metrics/components.h"
#include "medseg/metrics/detection.h"
#include "support/packed_masks.h"

namespace medseg {
namespace {

using nlohmann::json;

const json& golden() {
  static const json file =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/instances.json"));
  return file;
}

DetectionImage detection_image(const json& item, const GridSize& size) {
  DetectionImage image{item["scores"].get<std::vector<double>>(),
                       Matrix(item["masks"].size(), item["references"].size())};
  for (std::size_t m = 0; m < image.iou.rows; ++m) {
    for (std::size_t r = 0; r < image.iou.columns; ++r) {
      const auto counts = count_overlap(packed_mask(item["masks"][m], size),
                                        packed_mask(item["references"][r], size));
      if (counts.union_() > 0)
        image.iou.at(m, r) =
            static_cast<double>(counts.intersection) / static_cast<double>(counts.union_());
    }
  }
  return image;
}

TEST(Detection, AveragePrecisionEqualsPycocotools) {
  for (const json& item : golden()["detection"]) {
    std::vector<DetectionImage> images;
    for (const json& image : item["images"])
      images.push_back(detection_image(image, grid_size(item["size"])));
    EXPECT_NEAR(item["ap50"].get<double>(), average_precision(images, 0.5), 1e-9);
    EXPECT_NEAR(item["ap"].get<double>(), average_precision_50_95(images), 1e-9);
  }
}

TEST(Detection, WithoutReferencesThereIsNoPrecision) {
  EXPECT_TRUE(std::isnan(average_precision({DetectionImage{{0.5}, Matrix(1, 0)}}, 0.5)));
  EXPECT_EQ(average_precision({DetectionImage{{}, Matrix(0, 1)}}, 0.5), 0.0);
}

TEST(Components, PiecesAndTheirMatchingEqualTheOriginals) {
  for (const json& item : golden()["pieces"]) {
    const auto size = grid_size(item["size"]);
    const auto reference = packed_mask(item["reference"], size);
    const auto pieces = connected_pieces(reference, Connectivity::kFaces);
    EXPECT_EQ(pieces.size(), item["pieces_by_faces"].get<std::size_t>());
    EXPECT_EQ(connected_pieces(reference, Connectivity::kCorners).size(),
              item["pieces_by_corners"].get<std::size_t>());
    const auto scores = cvpr25_instances(
        connected_pieces(packed_mask(item["predicted"], size), Connectivity::kFaces), pieces);
    EXPECT_EQ(scores.hits, item["hits"].get<std::int64_t>());
    EXPECT_NEAR(scores.f1, item["f1"].get<double>(), 1e-12);
    EXPECT_NEAR(scores.dice_of_hits, item["dice_of_hits"].get<double>(), 1e-12);
  }
}

TEST(Components, NothingPredictedIsAllMissed) {
  const auto pieces = connected_pieces(packed_rows({"#.#", "..."}), Connectivity::kFaces);
  const auto scores = cvpr25_instances({}, pieces);
  EXPECT_EQ(scores.missed, 2);
  EXPECT_EQ(scores.f1, 0);
}

TEST(Assignment, TotalsEqualScipys) {
  for (const json& item : golden()["assignment"]) {
    const auto rows = item["cost"].get<std::vector<std::vector<double>>>();
    Matrix cost(rows.size(), rows[0].size());
    for (std::size_t r = 0; r < cost.rows; ++r) {
      for (std::size_t c = 0; c < cost.columns; ++c) cost.at(r, c) = rows[r][c];
    }
    double total = 0;
    std::size_t pairs = 0;
    const auto assigned = assign_min_cost(cost);
    for (std::size_t r = 0; r < assigned.size(); ++r) {
      if (assigned[r] < 0) continue;
      total += cost.at(r, static_cast<std::size_t>(assigned[r]));
      ++pairs;
    }
    EXPECT_NEAR(item["total"].get<double>(), total, 1e-9);
    EXPECT_EQ(pairs, std::min(cost.rows, cost.columns));
  }
  EXPECT_EQ(assign_min_cost(Matrix(2, 0)), (std::vector<int>{-1, -1}));
}

}  // namespace
}  // namespace medseg
