// Low-bit matrices: codes compared with bitsandbytes, products with those of the dequantised
// matrix.
#include "medseg/nn/low_bit.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/nn/activation_checkpoint.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/tensor_memory.h"

namespace medseg {
namespace {

const std::vector<std::pair<std::int64_t, std::int64_t>> kSizes = {
    {1, 1}, {3, 7}, {5, 27}, {1, 64}, {16, 64}, {33, 100}, {40, 129}};

TEST(LowBit, RoundTripStaysWithinHalfAStep) {
  at::manual_seed(2);
  for (const auto& [out, in] : kSizes) {
    const auto weight = at::randn({out, in});
    const auto by_row =
        (LowBitMatrix(weight, LowBitType::kInt8).dequantised(at::kFloat) - weight).abs();
    const auto step = weight.abs().amax(1, true) / 127.0;
    EXPECT_TRUE((by_row <= 0.5001 * step).all().item<bool>()) << out << "x" << in;
    // The widest gap between values of nf4 is that below -0.696, half of it 0.152 of the block's
    // largest.
    const auto by_block =
        (LowBitMatrix(weight, LowBitType::kNf4).dequantised(at::kFloat) - weight).abs().flatten();
    const auto flat = weight.abs().flatten();
    for (std::int64_t first = 0; first < flat.size(0); first += kNf4Block) {
      const auto most = flat.slice(0, first, first + kNf4Block).max().item<float>();
      EXPECT_LE(by_block.slice(0, first, first + kNf4Block).max().item<float>(), 0.1520 * most);
    }
  }
}

TEST(LowBit, ItsOwnValuesComeBackUnchanged) {
  at::manual_seed(3);
  const auto values = at::tensor(at::ArrayRef<float>(nf4_values()));
  auto weight = values.index_select(0, at::randint(0, 16, {32 * 64}, at::kLong)).view({32, 64});
  weight.select(1, 0).fill_(1.0);  // the largest of each block
  EXPECT_TRUE(at::equal(LowBitMatrix(weight, LowBitType::kNf4).dequantised(at::kFloat), weight));
  auto whole = at::randint(-127, 128, {9, 50}).to(at::kFloat);
  whole.select(1, 3).fill_(127.0);
  EXPECT_TRUE(at::equal(LowBitMatrix(whole, LowBitType::kInt8).dequantised(at::kFloat), whole));
  for (const auto type : {LowBitType::kInt8, LowBitType::kNf4}) {
    EXPECT_TRUE(at::equal(LowBitMatrix(at::zeros({3, 70}), type).dequantised(at::kFloat),
                          at::zeros({3, 70})));
  }
}

TEST(LowBit, NarrowResultsAreTheWideOnesRounded) {
  at::manual_seed(4);
  for (const auto& [out, in] : kSizes) {
    for (const auto type : {LowBitType::kInt8, LowBitType::kNf4}) {
      const LowBitMatrix matrix(at::randn({out, in}) * 0.3, type);
      const auto wide = matrix.dequantised(at::kFloat);
      for (const auto dtype : {at::kBFloat16, at::kHalf})
        EXPECT_TRUE(at::equal(matrix.dequantised(dtype), wide.to(dtype))) << out << "x" << in;
    }
  }
}

TEST(LowBit, TakesFourAndAHalfBitsOrEight) {
  const auto weight = at::randn({128, 256});
  EXPECT_EQ(LowBitMatrix(weight, LowBitType::kNf4).bytes(), 128 * 256 / 2 + 128 * 256 / 64 * 4);
  EXPECT_EQ(LowBitMatrix(weight, LowBitType::kInt8).bytes(), 128 * 256 + 128 * 4);
}

TEST(LowBit, WhatIsNotFiniteIsRefused) {
  for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    auto weight = at::ones({2, 64});
    weight[1][3] = bad;
    EXPECT_THROW(LowBitMatrix(weight, LowBitType::kNf4), CheckpointError);
    EXPECT_THROW(LowBitMatrix(weight, LowBitType::kInt8), CheckpointError);
  }
  EXPECT_THROW(low_bit_type_named("train.frozen_storage", "int4"), ConfigError);
}

struct Case {
  LowBitType type;
  at::ScalarType precision;
};
class LowBitProduct : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, LowBitProduct,
                         ::testing::Values(Case{LowBitType::kInt8, at::kFloat},
                                           Case{LowBitType::kNf4, at::kFloat},
                                           Case{LowBitType::kInt8, at::kBFloat16},
                                           Case{LowBitType::kNf4, at::kBFloat16},
                                           Case{LowBitType::kNf4, at::kHalf}));

TEST_P(LowBitProduct, EqualsThatOfTheDequantisedMatrixBothWays) {
  const auto [type, precision] = GetParam();
  at::manual_seed(6);
  for (const bool with_bias : {false, true}) {
    Linear layer(96, 40, with_bias), dense(96, 40, with_bias);
    for (Linear* each : {&layer, &dense}) {
      at::manual_seed(8);
      each->add_adapter(4, 8, 0.2);
      each->train();
      const at::NoGradGuard no_grad;
      each->lora_b.copy_(at::randn({40, 4}));
    }
    const LowBitMatrix matrix(layer.weight, type);
    layer.store_low_bit(type, at::kFloat);
    dense.weight = matrix.dequantised(at::kFloat).to(precision);
    if (with_bias) dense.bias = layer.bias;
    EXPECT_EQ(layer.weight.sizes(), dense.weight.sizes());
    EXPECT_TRUE(layer.weight.isnan().all().item<bool>());
    std::vector<at::Tensor> results;
    for (const Linear* each : {&layer, &dense}) {
      at::manual_seed(9);
      auto x = at::randn({2, 5, 96}).set_requires_grad(true);
      at::Tensor y;
      {
        const AutocastScope autocast(at::kCPU, precision);
        y = each->forward(x);
      }
      EXPECT_EQ(y.scalar_type(), precision);
      y.to(at::kFloat).square().mean().backward();
      results.insert(results.end(),
                     {y.detach(), x.grad(), each->lora_a.grad(), each->lora_b.grad()});
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(results[i], results[4 + i])) << i;
    // The matrix that an evaluation uses and a checkpoint saves.
    const at::NoGradGuard no_grad;
    const auto x = at::randn({3, 96}).to(precision);
    const auto merged = layer.merged_weight();
    EXPECT_EQ(merged.scalar_type(), at::kFloat);
    if (precision == at::kFloat) EXPECT_TRUE(at::equal(merged, dense.merged_weight()));
    layer.answer_merged(precision);
    const AutocastScope autocast(at::kCPU, precision);
    EXPECT_TRUE(at::equal(layer.forward(x), at::linear(x, merged.to(precision), layer.bias)));
    layer.answer_merged({});
  }
}

TEST(LowBit, KeepsNoWideMatrixForTheGradient) {
  const std::int64_t width = 256, rows = 8;
  Linear layer(width, width, false);
  layer.store_low_bit(LowBitType::kNf4, at::kFloat);
  const auto x = at::randn({rows, width}).set_requires_grad(true);
  const TensorMemory memory;
  const auto y = layer.forward(x);
  EXPECT_EQ(memory.live(), rows * width * 4);
  EXPECT_GE(memory.peak(), width * width * 4);
}

TEST(LowBit, ALayerIsMergedMovedAndTrainsItsBias) {
  at::manual_seed(12);
  Linear layer(64, 10);
  layer.add_adapter(2, 4, 0.0);
  layer.bias.set_requires_grad(true);
  layer.store_low_bit(LowBitType::kInt8, at::kFloat);
  const auto x = at::randn({3, 64});
  const auto y = layer.forward(x);
  y.sum().backward();
  EXPECT_TRUE(at::equal(layer.bias.grad(), at::full({10}, 3.0)));
  move_to(layer, at::kCPU);
  EXPECT_TRUE(at::equal(layer.forward(x), y));
  layer.merge_adapter();
  EXPECT_FALSE(layer.low_bit().has_value());
  EXPECT_TRUE(at::allclose(layer.forward(x), y, 1e-5, 1e-5));
  layer.weight.set_requires_grad(true);
  EXPECT_THROW(layer.store_low_bit(LowBitType::kInt8, at::kFloat), c10::Error);
}

TEST(LowBit, OtherDevicesComputeTheSameByAten) {
  at::manual_seed(14);
  for (const auto& [out, in] : kSizes) {
    for (const auto type : {LowBitType::kInt8, LowBitType::kNf4}) {
      const LowBitMatrix matrix(at::randn({out, in}), type);
      for (const auto dtype : {at::kFloat, at::kBFloat16})
        EXPECT_TRUE(at::equal(matrix.dequantised_by_aten(dtype), matrix.dequantised(dtype)));
    }
  }
}

}  // namespace
}  // namespace medseg
