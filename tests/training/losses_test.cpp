#include "medseg/training/losses.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/models/grounding.h"
#include "medseg/pipeline/mask_truth.h"

namespace medseg {
namespace {

ModelFrame frame_of(std::int64_t size, std::int64_t height, std::int64_t width) {
  return {.size = size,
          .resized_height = size,
          .resized_width = size,
          .image_height = height,
          .image_width = width};
}

at::Tensor random_truth(at::IntArrayRef shape) { return (at::rand(shape) > 0.6).to(at::kFloat); }

TEST(MaskLosses, AreThoseOfAHandCalculation) {
  const auto logits = at::zeros({2, 2, 2});
  auto truth = at::zeros({2, 2, 2});
  truth[0][0][0] = 1;  // one pixel of four; the second mask is empty
  const auto [bce, dice] = mask_losses(logits, truth);
  EXPECT_NEAR(bce[0].item<double>(), std::log(2.0), 1e-6);
  EXPECT_NEAR(bce[1].item<double>(), std::log(2.0), 1e-6);
  EXPECT_NEAR(dice[0].item<double>(), 1 - 0.001001 / 0.003001, 1e-6);
  EXPECT_NEAR(dice[1].item<double>(), 1 - 0.000001 / 0.002001, 1e-6);
}

TEST(MaskLosses, AnEmptyTruthIsMatchedByAnEmptyMask) {
  const auto [bce, dice] = mask_losses(at::full({1, 8, 8}, -60.0), at::zeros({1, 8, 8}));
  EXPECT_NEAR(bce.item<double>(), 0, 1e-6);
  EXPECT_NEAR(dice.item<double>(), 0, 1e-6);
}

TEST(MaskLosses, ValuesAndGradientsAreThoseOfAutograd) {
  at::manual_seed(3);
  auto logits = (4 * at::randn({3, 17, 13})).set_requires_grad(true);
  const auto truth = random_truth({3, 17, 13});
  const auto weights = at::randn({2, 3});
  const auto [bce, dice] = mask_losses(logits, truth);
  (bce * weights[0] + dice * weights[1]).sum().backward();
  const auto gradient = logits.grad().clone();

  auto plain = logits.detach().clone().set_requires_grad(true);
  const auto p = at::sigmoid(plain).flatten(1), t = truth.flatten(1);
  const auto plain_dice =
      1 - ((2 * (p / 1000 * t).sum(1)) + 1e-6) / ((p / 1000).sum(1) + (t / 1000).sum(1) + 1e-6);
  const auto plain_bce =
      at::binary_cross_entropy_with_logits(plain, truth, {}, {}, at::Reduction::None)
          .flatten(1)
          .mean(1);
  (plain_bce * weights[0] + plain_dice * weights[1]).sum().backward();

  EXPECT_TRUE(at::allclose(bce, plain_bce, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(dice, plain_dice, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(gradient, plain.grad(), 1e-4, 1e-7));
}

TEST(MaskLosses, ExtremeLogitsStayFinite) {
  auto logits = at::tensor({-1e4f, 1e4f, -1e4f, 1e4f}).view({1, 2, 2}).set_requires_grad(true);
  const auto [bce, dice] = mask_losses(logits, at::tensor({0.f, 1.f, 1.f, 0.f}).view({1, 2, 2}));
  EXPECT_NEAR(bce.item<double>(), 5e3, 1);
  (bce + dice).sum().backward();
  EXPECT_TRUE(at::isfinite(logits.grad()).all().item<bool>());
}

TEST(BatchMaskLosses, WeighsPicturesByTheirMasks) {
  at::manual_seed(5);
  const std::vector<std::int64_t> counts = {2, 0, 1};
  const auto low = at::randn({3, 1, 4, 4});
  std::vector<MaskTruth> truths;
  double weighted_bce = 0, weighted_dice = 0, all = 0;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    // The last picture has a size of its own.
    truths.push_back(
        {random_truth({counts[i], i == 2 ? 6 : 10, 9}), frame_of(8, i == 2 ? 6 : 10, 9)});
    const auto n = static_cast<double>(counts[i]);
    if (counts[i] > 0) {
      const auto [bce, dice] = mask_losses(
          upscale_masks(low.slice(0, first, first + counts[i]), truths[i].frame), truths[i].masks);
      weighted_bce += bce.sum().item<double>() / (n + 1e-8) * n;
      weighted_dice += dice.sum().item<double>() / (n + 1e-8) * n;
    }
    first += counts[i];
    all += n;
  }
  const auto losses = batch_mask_losses(low, truths);
  EXPECT_NEAR(losses.bce.item<double>(), weighted_bce / (all + 1e-8), 1e-6);
  EXPECT_NEAR(losses.dice.item<double>(), weighted_dice / (all + 1e-8), 1e-6);
}

TEST(BatchMaskLosses, AreZeroWithoutMasks) {
  const auto losses =
      batch_mask_losses(at::zeros({0, 1, 4, 4}), {{at::zeros({0, 5, 5}), frame_of(8, 5, 5)}});
  EXPECT_EQ(losses.bce.item<double>(), 0);
  EXPECT_EQ(losses.dice.item<double>(), 0);
}

}  // namespace
}  // namespace medseg
