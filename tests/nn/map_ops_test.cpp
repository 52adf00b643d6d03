#include "medseg/nn/map_ops.h"

#include <functional>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/pixelwise.h"

namespace medseg {
namespace {

class Seeded : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(1); }
};
class MapOps : public Seeded {};
class Pixelwise : public Seeded {};

double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kFloat) - expected.to(at::kFloat)).abs().max() / expected.abs().max())
      .item<double>();
}

constexpr double kBf16 = 0.012;  // a few roundings to 8 bits

/// Results and gradients of `compute` on bf16 maps against the same on fp32 copies of them.
void expect_same(
    const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& parameters,
    const std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>& compute) {
  std::vector<at::Tensor> narrow, wide, cotangents;
  for (const auto& map : maps) {
    narrow.push_back(map.to(at::kBFloat16).set_requires_grad(true));
    wide.push_back(map.to(at::kBFloat16).to(at::kFloat).set_requires_grad(true));
  }
  for (const auto& parameter : parameters) {
    narrow.push_back(parameter.clone().set_requires_grad(true));
    wide.push_back(parameter.clone().set_requires_grad(true));
  }
  const auto got = compute(narrow), expected = compute(wide);
  at::Tensor got_loss, expected_loss;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_LT(error(got[i], expected[i]), kBf16) << "result " << i;
    const auto cotangent = at::randn_like(expected[i]).to(at::kBFloat16).to(at::kFloat);
    const auto a = (got[i].to(at::kFloat) * cotangent).sum(), b = (expected[i] * cotangent).sum();
    got_loss = i == 0 ? a : got_loss + a;
    expected_loss = i == 0 ? b : expected_loss + b;
  }
  got_loss.backward();
  expected_loss.backward();
  for (std::size_t i = 0; i < narrow.size(); ++i) {
    EXPECT_LT(error(narrow[i].grad(), wide[i].grad()), kBf16) << "gradient " << i;
  }
}

TEST_F(MapOps, NormGeluInBf16IsTheFormula) {
  for (const std::int64_t channels : {32, 64, 96}) {
    expect_same(
        {at::randn({2, 37, channels})},
        {at::randn({channels}), at::randn({channels}), at::randn({channels})},
        [](const auto& in) { return std::vector{norm_gelu(in[0], in[1], in[2], in[3], 1e-6)}; });
  }
}

TEST_F(MapOps, NormAndPlaceInBf16IsTheFormula) {
  const auto positions = at::randn({21, 64}).to(at::kBFloat16);
  expect_same({at::randn({3, 21, 64})}, {at::randn({64}), at::randn({64})}, [&](const auto& in) {
    const auto [y, placed] = norm_and_place(in[0], in[1], in[2], 1e-5, positions);
    return std::vector{y, placed};
  });
}

TEST_F(MapOps, GeluDotInBf16IsTheFormula) {
  expect_same({at::randn({3, 50, 32})}, {at::randn({32}), at::randn({3, 32})},
              [](const auto& in) { return std::vector{gelu_dot(in[0], in[1], in[2])}; });
}

TEST_F(MapOps, OneResultWithoutAGradientIsNoTrouble) {
  const auto x = at::randn({1, 8, 32}).to(at::kBFloat16).set_requires_grad(true);
  const auto weight = at::ones({32}), bias = at::zeros({32});
  norm_and_place(x, weight, bias, 1e-5, at::zeros({8, 32}))
      .second.to(at::kFloat)
      .square()
      .sum()
      .backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST_F(Pixelwise, BiasActivationAndOtherAreThoseOfAten) {
  for (const std::int64_t channels : {16, 32, 40, 70}) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const double tolerance = dtype == at::kFloat ? 1e-6 : kBf16;
      const auto x = at::randn({5, 9, channels}).to(dtype),
                 other = at::randn({5, 9, channels}).to(dtype);
      const auto bias = at::randn({channels});
      const PerChannel own(bias);
      const auto sum = x.to(at::kFloat) + bias;
      auto y = x.clone();
      add_bias(y, own, Then::kNothing);
      EXPECT_LT(error(y, sum), tolerance);
      y = x.clone();
      add_bias(y, own, Then::kGelu);
      EXPECT_LT(error(y, at::gelu(sum)), tolerance);
      y = x.clone();
      add_bias_and(y, own, other, Then::kNothing);
      EXPECT_LT(error(y, sum + other.to(at::kFloat)), tolerance);
      y = x.clone();
      add_bias_and(y, own, other, Then::kGelu);
      EXPECT_LT(error(y, at::gelu(sum + other.to(at::kFloat))), tolerance);
    }
  }
}

TEST_F(Pixelwise, GeluOfLargeNumbersIsTheirOwnOrNothing) {
  auto x = at::tensor({-100.0F, -10.0F, -4.5F, 4.5F, 10.0F, 100.0F})
               .to(at::kBFloat16)
               .repeat({8})
               .slice(0, 0, 32);
  const auto expected = at::gelu(x.to(at::kFloat));
  add_bias(x, PerChannel(at::zeros({32})), Then::kGelu);
  EXPECT_LT((x.to(at::kFloat) - expected).abs().max().item<double>(), 0.005);
}

TEST_F(Pixelwise, NormaliseIsLayerNorm) {
  for (const std::int64_t channels : {16, 32, 40, 160}) {
    const auto weight = at::randn({channels}), bias = at::randn({channels});
    const PerChannel affine(at::stack({weight, bias}));
    const auto x = at::randn({3, 7, channels}) * 3 + 1;
    EXPECT_LT(error(normalise(x, affine, 1e-5), at::layer_norm(x, {channels}, weight, bias, 1e-5)),
              2e-6);
    const auto narrow = x.to(at::kBFloat16);
    EXPECT_LT(error(normalise(narrow, affine, 1e-5),
                    at::layer_norm(narrow.to(at::kFloat), {channels}, weight, bias, 1e-5)),
              kBf16);
  }
}

TEST_F(Pixelwise, DepthwiseIsTheConvolution) {
  for (const std::int64_t channels : {16, 32, 40, 96}) {
    for (const std::int64_t stride : {1, 2}) {
      const auto weight = at::randn({channels, 1, 3, 3}), bias = at::randn({channels});
      const auto taps = depthwise_taps(weight, bias);
      for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const auto x = at::randn({2, 9, 10, channels}).to(dtype);
        const auto expected = at::conv2d(x.to(at::kFloat).permute({0, 3, 1, 2}), weight, bias,
                                         {stride, stride}, {1, 1}, {1, 1}, channels)
                                  .permute({0, 2, 3, 1});
        const double tolerance = dtype == at::kFloat ? 1e-6 : kBf16;
        const auto got = depthwise_3x3(x, taps, stride);
        ASSERT_EQ(got.sizes(), expected.sizes());
        EXPECT_LT(error(got, expected), tolerance);
        EXPECT_LT(error(depthwise_3x3(x, taps, stride, Then::kGelu), at::gelu(expected)),
                  tolerance);
      }
    }
  }
}

}  // namespace
}  // namespace medseg
