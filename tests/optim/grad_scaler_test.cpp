#include "medseg/optim/grad_scaler.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medseg {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

TrainedParameter parameter(const std::string& name) {
  return {name, at::ones({2}).set_requires_grad(true)};
}

void give_gradient(const TrainedParameter& to, std::vector<float> values) {
  to.tensor.mutable_grad() = at::tensor(values);
}

TEST(GradScaler, GrowsAndBacksOffAsTorchsDoes) {
  // torch.amp.GradScaler("cpu", init_scale=8, growth_factor=3, backoff_factor=0.25,
  // growth_interval=2), torch 2.11, with a gradient that is infinite at steps 3, 4 and 8
  GradScaler scaler({.init_scale = 8, .growth = 3, .backoff = 0.25, .growth_interval = 2}, true,
                    at::kCPU);
  const std::vector<double> expected = {8, 8, 24, 24, 6, 1.5, 1.5, 4.5, 4.5, 1.125};
  const auto w = parameter("w");
  for (std::size_t step = 0; step < expected.size(); ++step) {
    EXPECT_EQ(scaler.loss_scale(), expected[step]) << step;
    const bool overflows = step == 3 || step == 4 || step == 8;
    give_gradient(w, {overflows ? kInf : 1.0F, 2.0F});
    EXPECT_EQ(scaler.unscale({w}), !overflows);
    EXPECT_FLOAT_EQ(w.tensor.grad()[1].item<float>(), 2.0F / static_cast<float>(expected[step]));
    scaler.update();
  }
  EXPECT_EQ(scaler.skipped(), 3);
}

TEST(GradScaler, NeverGrowsToInfinity) {
  GradScaler scaler({.init_scale = 1e38, .growth = 10, .growth_interval = 1}, true, at::kCPU);
  const auto w = parameter("w");
  give_gradient(w, {1, 1});
  scaler.unscale({w});
  scaler.update();
  EXPECT_FLOAT_EQ(static_cast<float>(scaler.loss_scale()), 1e38F);
}

TEST(GradScaler, LeavesEverythingAsItIsWhenOff) {
  GradScaler scaler({}, false, at::kCPU);
  const auto loss = at::ones({});
  EXPECT_TRUE(scaler.scale(loss).is_same(loss));
  const auto w = parameter("w");
  give_gradient(w, {kInf, 1});
  EXPECT_TRUE(scaler.unscale({w}));
  EXPECT_EQ(w.tensor.grad()[1].item<float>(), 1.0F);
  EXPECT_TRUE(scaler.state().empty());
  EXPECT_EQ(scaler.loss_scale(), 1.0);
}

}  // namespace
}  // namespace medseg
