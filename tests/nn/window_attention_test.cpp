#include "medseg/nn/window_attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medseg {
namespace {

/// The formula, in fp64.
at::Tensor plain(const at::Tensor& qkv, const at::Tensor& bias) {
  const auto heads = bias.size(0), depth = qkv.size(2) / (3 * heads);
  const auto parts = qkv.to(at::kDouble)
                         .view({qkv.size(0), qkv.size(1), heads, 3, depth})
                         .permute({3, 0, 2, 1, 4});
  const auto scores =
      at::matmul(parts[0], parts[1].transpose(-1, -2)) / std::sqrt(static_cast<double>(depth));
  return at::softmax(scores + bias.to(at::kDouble), -1)
      .matmul(parts[2])
      .transpose(1, 2)
      .reshape({qkv.size(0), qkv.size(1), -1});
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b).abs().max().item<double>() / b.abs().max().item<double>();
}

struct Shape {
  std::int64_t windows, cells, heads, depth;
};

// Published sizes: 7 × 7 and 14 × 14 cells with 32 numbers per head, for which our kernel runs on a
// CPU with AMX. 16 and 32 cells fill their tiles; heads of another depth use torch's attention.
class WindowAttention : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    const auto s = GetParam();
    at::manual_seed(s.cells);
    qkv = at::randn({s.windows, s.cells, s.heads * 3 * s.depth}) * 2;
    bias = at::randn({s.heads, s.cells, s.cells}) * 3;
  }
  at::Tensor qkv, bias;
};

TEST_P(WindowAttention, IsTheFormula) {
  EXPECT_LT(largest_difference(window_attention(qkv, PairBias(bias)), plain(qkv, bias)), 2e-6);
}

TEST_P(WindowAttention, InBf16StaysNear) {
  const auto narrow = qkv.to(at::kBFloat16);
  const auto out = window_attention(narrow, PairBias(bias));
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  // Weights and result are rounded, each by half a step at most.
  EXPECT_LT(largest_difference(out, plain(narrow, bias)), 2.0 / 256);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WindowAttention,
                         ::testing::Values(Shape{5, 49, 4, 32}, Shape{2, 196, 5, 32},
                                           Shape{3, 1, 2, 32}, Shape{7, 16, 3, 32},
                                           Shape{2, 32, 1, 32}, Shape{4, 33, 2, 32},
                                           Shape{3, 4, 1, 64}, Shape{2, 9, 2, 20}));

TEST(WindowAttentionOf, ScoresFarApartDoNotOverflow) {
  const auto qkv = at::zeros({1, 2, 96}, at::kBFloat16);
  qkv.narrow(2, 64, 32).copy_(at::tensor({1.0F, -1.0F}).view({1, 2, 1}));
  const auto bias = at::tensor({3e4F, -3e4F, -200.0F, -200.0F}).view({1, 2, 2});
  const auto out = window_attention(qkv, PairBias(bias));
  EXPECT_TRUE(out.to(at::kDouble).allclose(plain(qkv, bias)));
  EXPECT_EQ(out.const_data_ptr<c10::BFloat16>()[0], 1.0F);
}

TEST(WindowAttentionOf, WhatIsNotANumberStaysSo) {
  const auto qkv = at::randn({2, 9, 96}).to(at::kBFloat16);
  // In a key, which all queries of its window see.
  qkv[1][3][40] = std::numeric_limits<float>::quiet_NaN();
  const auto out = window_attention(qkv, PairBias(at::zeros({1, 9, 9})));
  EXPECT_TRUE(out[0].isfinite().all().item<bool>());
  EXPECT_TRUE(out[1].isnan().all().item<bool>());
}

TEST(WindowAttentionOf, AWindowIsTheSameAloneAndAmongOthers) {
  const auto qkv = at::randn({9, 49, 2 * 96}).to(at::kBFloat16);
  const PairBias bias(at::randn({2, 49, 49}));
  const auto out = window_attention(qkv, bias);
  for (const std::int64_t i : {0, 4, 8})
    EXPECT_TRUE(out.narrow(0, i, 1).equal(window_attention(qkv.narrow(0, i, 1), bias))) << i;
}

TEST(WindowAttentionOf, NoWindowsGiveNone) {
  const PairBias bias(at::zeros({2, 9, 9}));
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto out = window_attention(at::zeros({0, 9, 192}, dtype), bias);
    EXPECT_EQ(out.sizes(), (std::vector<std::int64_t>{0, 9, 64}));
  }
}

TEST(WindowAttentionOf, BiasesOfOtherWindowsAreRefused) {
  const PairBias bias(at::zeros({2, 9, 9}));
  EXPECT_THROW(window_attention(at::zeros({1, 16, 192}), bias), c10::Error);
  EXPECT_THROW(window_attention(at::zeros({1, 9, 100}), bias), c10::Error);
  EXPECT_THROW(PairBias(at::zeros({2, 9, 8})), c10::Error);
}

}  // namespace
}  // namespace medseg
