#include "medseg/metrics/overlap.h"

#include <cmath>

#include <gtest/gtest.h>

namespace medseg {
namespace {

Mask row(const std::string& text) {
  Mask mask(static_cast<int>(text.size()), 1);
  for (std::size_t i = 0; i < text.size(); ++i) mask.pixels[i] = text[i] == '#';
  return mask;
}

TEST(Overlap, CountsByHand) {
  const auto counts = count_overlap(row("##.."), row(".##."));
  EXPECT_EQ(counts.intersection, 1);
  EXPECT_EQ(counts.predicted, 2);
  EXPECT_EQ(counts.reference, 2);
  EXPECT_EQ(counts.union_(), 3);
  EXPECT_DOUBLE_EQ(iou(counts), 1 / (3 + 1e-5));
  EXPECT_DOUBLE_EQ(dice(counts), 2 / (4 + 1e-6));
}

TEST(Overlap, TwoEmptyMasksScoreOneAndOneEmptyMaskScoresZero) {
  EXPECT_EQ(iou(count_overlap(row(".."), row(".."))), 1.0);
  EXPECT_EQ(dice(count_overlap(row(".."), row(".."))), 1.0);
  EXPECT_EQ(iou(count_overlap(row("#."), row(".."))), 0.0);
  EXPECT_EQ(dice(count_overlap(row(".."), row("#."))), 0.0);
}

TEST(Overlap, MeanOfRatiosIsNotRatioOfSums) {
  OverlapMean mean;
  mean.add({.intersection = 1, .predicted = 1, .reference = 1});
  mean.add({.intersection = 1, .predicted = 3, .reference = 1});
  EXPECT_NEAR(mean.giou(), (1.0 + 1.0 / 3.0) / 2, 1e-5);
  EXPECT_NEAR(mean.ciou(), 2.0 / 4.0, 1e-9);
}

TEST(Overlap, NoMaskIsNotZero) {
  EXPECT_TRUE(std::isnan(OverlapMean().giou()));
  EXPECT_TRUE(std::isnan(OverlapMean().ciou()));
  EXPECT_TRUE(std::isnan(OverlapMean().mean_dice()));
}

TEST(Overlap, MergingEqualsAddingAll) {
  OverlapMean all, left, right;
  for (std::int64_t i = 1; i <= 6; ++i) {
    const OverlapCounts counts{.intersection = i, .predicted = 2 * i, .reference = i + 3};
    all.add(counts);
    (i % 2 == 0 ? left : right).add(counts);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), 6);
  EXPECT_NEAR(left.giou(), all.giou(), 1e-12);
  EXPECT_DOUBLE_EQ(left.ciou(), all.ciou());
  EXPECT_NEAR(left.mean_dice(), all.mean_dice(), 1e-12);
}

TEST(Overlap, MasksOfTwoSizesAreABug) {
  EXPECT_THROW(count_overlap(row(".."), row("...")), CheckFailed);
}

}  // namespace
}  // namespace medseg
