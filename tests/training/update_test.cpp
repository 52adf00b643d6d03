#include "medseg/training/update.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr float kInf = std::numeric_limits<float>::infinity();

TrainedParameter parameter(const std::string& name) {
  return {name, at::ones({2}).set_requires_grad(true)};
}

void give_gradient(const TrainedParameter& to, std::vector<float> values) {
  to.tensor.mutable_grad() = at::tensor(values);
}

class Applied : public testing::Test {
 protected:
  Applied() { options_.optimizer.clip_grad_norm = 1.0; }

  Update apply(GradScaler& scaler, std::vector<float> gradient) {
    give_gradient(first_, {0.5F, 0.5F});
    give_gradient(second_, std::move(gradient));
    return apply_gradients(options_, step_++, 1.0, report_, optimizer_, ema_, scaler, dropped_);
  }

  /// Nothing has moved or counted: neither weights nor moments nor averages.
  bool is_untouched() const {
    for (const auto& [name, tensor] : optimizer_.state()) {
      if (tensor.count_nonzero().item<std::int64_t>() > 0) return false;
    }
    return at::equal(first_.tensor, at::ones({2})) && at::equal(second_.tensor, at::ones({2})) &&
           at::equal(ema_.state()[0].second, at::ones({2}));
  }

  TrainOptions options_;
  TrainedParameter first_ = parameter("first"), second_ = parameter("second");
  AdamW optimizer_{options_.optimizer, {first_, second_}};
  Ema ema_{0.5, {first_, second_}};
  StepReport report_{.ids = {"a", "b"}, .fault = {}};
  std::int64_t step_ = 0, dropped_ = 0;
  GradScaler off_{{}, false, at::kCPU}, on_{{.init_scale = 16}, true, at::kCPU};
};

TEST_F(Applied, ReportsTheNormOfUnscaledGradients) {
  const auto update = apply(on_, {8, 0});
  EXPECT_NEAR(update.grad_norm, std::sqrt(64.0 + 0.5) / 16, 1e-6);
  EXPECT_TRUE(update.moved);
  EXPECT_FALSE(is_untouched());
}

TEST_F(Applied, AnOverflowIsTheScalersAffair) {
  options_.non_finite = NonFinite::kStop;
  const auto update = apply(on_, {kInf, 0});
  EXPECT_FALSE(update.moved);
  EXPECT_EQ(update.fault, "");
  EXPECT_EQ(update.loss_scale, 16);
  EXPECT_EQ(on_.loss_scale(), 8);
  EXPECT_EQ(on_.skipped(), 1);
  EXPECT_EQ(dropped_, 0);
  EXPECT_TRUE(is_untouched());
  EXPECT_FALSE(first_.tensor.grad().defined());
}

TEST_F(Applied, NoScaleHelpsAgainstWhatIsNotFiniteAnyway) {
  const auto always = [&] {
    for (int i = 0; i < 1000; ++i) apply(on_, {0, kInf});
  };
  EXPECT_THAT(always, ThrowsMessage<RunStopped>(AllOf(HasSubstr("gradient of second is "),
                                                      HasSubstr("at a loss scale of "),
                                                      HasSubstr("records a, b"))));
  EXPECT_LT(step_, 25);  // 16 to 2^-14
  EXPECT_TRUE(is_untouched());
}

TEST_F(Applied, WithoutAScalerAGradientStopsTheRunByName) {
  EXPECT_THAT(
      [&] {
        apply(off_, {kInf, 0});
      },
      ThrowsMessage<RunStopped>("step 1: gradient of second is inf; records a, b"));
}

TEST_F(Applied, DroppedStepsAreCountedUpToTheLimit) {
  options_.non_finite = NonFinite::kSkip;
  options_.non_finite_limit = 2;
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(apply(off_, {nan, 0}).fault, HasSubstr("gradient of second is nan"));
  EXPECT_TRUE(is_untouched());
  EXPECT_TRUE(apply(off_, {1, 0}).moved);  // a good step between does not reset the count
  EXPECT_FALSE(apply(off_, {kInf, 0}).moved);
  EXPECT_EQ(dropped_, 2);
  EXPECT_THAT(
      [&] {
        apply(off_, {kInf, 0});
      },
      ThrowsMessage<RunStopped>(AllOf(HasSubstr("step 4: gradient of second is inf"),
                                      HasSubstr("non_finite_limit is 2"))));
}

TEST_F(Applied, ALossIsNotTheScalersAffair) {
  options_.non_finite = NonFinite::kSkip;
  report_.fault = "loss_bce is nan; records a";
  const auto update = apply(on_, {kInf, 0});
  EXPECT_EQ(update.fault, "loss_bce is nan; records a");
  EXPECT_EQ(on_.loss_scale(), 16);
  EXPECT_EQ(on_.skipped(), 0);
  EXPECT_EQ(dropped_, 1);
  EXPECT_TRUE(is_untouched());
}

}  // namespace
}  // namespace medseg
