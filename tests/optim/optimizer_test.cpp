#include "medseg/optim/optimizer.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/optim/schedule.h"

namespace medseg {
namespace {

TrainedParameter parameter(const std::string& name, std::vector<float> values) {
  return {name, at::tensor(values).set_requires_grad(true)};
}

void give_gradient(const TrainedParameter& to, std::vector<float> values) {
  to.tensor.mutable_grad() = at::tensor(values);
}

TEST(Schedule, WarmsUpAndFallsToZero) {
  const ScheduleOptions linear{.type = ScheduleType::kLinear, .warmup_steps = 4};
  const std::vector<double> expected = {0.25,   0.5,    0.75,   1.0,    1.0,
                                        5. / 6, 4. / 6, 3. / 6, 2. / 6, 1. / 6};
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(rate_factor(linear, static_cast<std::int64_t>(t), 10), expected[t], 1e-12) << t;
  }
  EXPECT_EQ(rate_factor(linear, 10, 10), 0);
  EXPECT_EQ(rate_factor(linear, 99, 10), 0);
}

TEST(Schedule, CosineAndConstantKeepTheirEnds) {
  const ScheduleOptions cosine{.type = ScheduleType::kCosine, .warmup_steps = 2, .min_ratio = 0.1};
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 0, 12), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 2, 12), 1.0);
  EXPECT_NEAR(rate_factor(cosine, 7, 12), 0.55, 1e-12);
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 12, 12), 0.1);
  const ScheduleOptions constant{.type = ScheduleType::kConstant, .warmup_steps = 2};
  EXPECT_DOUBLE_EQ(rate_factor(constant, 0, 12), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(constant, 500, 12), 1.0);
}

TEST(Schedule, PolynomialIsThatOfTransformers) {
  // get_polynomial_decay_schedule_with_warmup(optimizer of rate 1, 2, 12, lr_end=0.1, power=3),
  // transformers 5.23
  const ScheduleOptions cubic{
      .type = ScheduleType::kPolynomial, .warmup_steps = 2, .min_ratio = 0.1, .power = 3.0};
  EXPECT_DOUBLE_EQ(rate_factor(cubic, 2, 12), 1.0);
  EXPECT_NEAR(rate_factor(cubic, 3, 12), 0.7561, 1e-12);
  EXPECT_NEAR(rate_factor(cubic, 7, 12), 0.2125, 1e-12);
  EXPECT_NEAR(rate_factor(cubic, 11, 12), 0.1009, 1e-12);
  EXPECT_DOUBLE_EQ(rate_factor(cubic, 40, 12), 0.1);
}

TEST(Clip, ReportsTheGlobalNormAndScalesWhatExceedsIt) {
  const std::vector<TrainedParameter> all = {parameter("a", {0, 0}), parameter("b", {0}),
                                             parameter("c", {0})};
  give_gradient(all[0], {3, 0});
  give_gradient(all[1], {4});  // c has none
  EXPECT_NEAR(clip_gradients(all, 1.0), 5.0, 1e-6);
  EXPECT_NEAR(all[0].tensor.grad()[0].item<double>(), 3.0 / (5.0 + 1e-6), 1e-6);
  EXPECT_NEAR(clip_gradients(all, 2.0), 1.0, 1e-6);  // below the limit: untouched
  EXPECT_NEAR(all[1].tensor.grad()[0].item<double>(), 0.8, 1e-6);
  EXPECT_FALSE(all[2].tensor.grad().defined());
}

TEST(AdamW, IsThePlainFormula) {
  OptimizerOptions options;
  options.lr = 0.01;
  options.weight_decay = 0.1;
  const auto w = parameter("w", {1.0f, -2.0f});
  AdamW optimizer(options, {w});
  double value = 1.0, m = 0, v = 0;
  for (int t = 1; t <= 5; ++t) {
    const double gradient = 0.3 * t - 0.7, factor = t == 3 ? 0.5 : 1.0, rate = options.lr * factor;
    give_gradient(w, {static_cast<float>(gradient), 1.0f});
    optimizer.step(factor);
    value -= rate * options.weight_decay * value;
    m = options.betas[0] * m + (1 - options.betas[0]) * gradient;
    v = options.betas[1] * v + (1 - options.betas[1]) * gradient * gradient;
    value -= rate * (m / (1 - std::pow(options.betas[0], t))) /
             (std::sqrt(v / (1 - std::pow(options.betas[1], t))) + options.eps);
    EXPECT_NEAR(w.tensor[0].item<double>(), value, 2e-6) << t;
    EXPECT_FALSE(w.tensor.grad().defined());
  }
}

TEST(AdamW, GroupsHaveTheirOwnRateAndTheFirstMatchWins) {
  OptimizerOptions options;
  options.lr = 1.0;
  options.groups = {{{"decoder"}, 0.25, 0.0}, {{"decoder.mask", "head"}, 0.5, 0.0}};
  AdamW optimizer(
      options, {parameter("decoder.mask", {0}), parameter("head", {0}), parameter("other", {0})});
  EXPECT_EQ(optimizer.rate(0), 0.25);
  EXPECT_EQ(optimizer.rate(1), 0.5);
  EXPECT_EQ(optimizer.rate(2), 1.0);
  options.groups = {{{"heat"}, 0.25, 0.0}};
  EXPECT_THROW(AdamW(options, {parameter("head", {0})}), ConfigError);
}

TEST(AdamW, WhatHasNoGradientDoesNotMove) {
  OptimizerOptions options;
  options.weight_decay = 0.5;
  const auto moved = parameter("a", {1}), still = parameter("b", {1});
  AdamW optimizer(options, {moved, still});
  give_gradient(moved, {1});
  optimizer.step(1.0);
  EXPECT_NE(moved.tensor.item<double>(), 1.0);
  EXPECT_EQ(still.tensor.item<double>(), 1.0);
}

}  // namespace
}  // namespace medseg
