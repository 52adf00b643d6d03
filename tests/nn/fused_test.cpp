// The fused operations against their ATen formulas, gradients included.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/nn/attention.h"
#include "medseg/nn/cross_entropy.h"
#include "medseg/nn/dropout.h"
#include "medseg/nn/gated_silu.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/rotary.h"

namespace medseg {
namespace {

at::Tensor leaf(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::randn(shape).to(dtype).set_requires_grad(true);
}

double relative(const at::Tensor& got, const at::Tensor& expected) {
  const auto wide = expected.to(at::kDouble);
  return ((got.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

struct Case {
  at::ScalarType dtype;
  double tolerance;  // bf16 keeps 8 bits
};
class Fused : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { at::manual_seed(7); }

  /// Runs both forms on the same leaves and compares values and every gradient.
  template <class F, class G>
  void compare(const std::vector<at::Tensor>& leaves, const F& fused, const G& formula) {
    const auto expected = formula();
    const auto upstream = at::randn_like(expected.to(at::kFloat));
    expected.backward(upstream.to(expected.scalar_type()));
    std::vector<at::Tensor> gradients;
    for (auto x : leaves) {
      gradients.push_back(x.grad().clone());
      x.mutable_grad() = at::Tensor();
    }
    const auto got = fused();
    EXPECT_EQ(got.scalar_type(), leaves[0].scalar_type());
    EXPECT_LT(relative(got, expected), GetParam().tolerance);
    got.backward(upstream.to(got.scalar_type()));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      EXPECT_LT(relative(leaves[i].grad(), gradients[i]), 2 * GetParam().tolerance) << "leaf " << i;
    }
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(fused(), got));
  }
};
INSTANTIATE_TEST_SUITE_P(Precision, Fused,
                         ::testing::Values(Case{at::kFloat, 3e-6}, Case{at::kBFloat16, 8e-3}),
                         [](const auto& info) {
                           return std::string(c10::toString(info.param.dtype));
                         });

TEST_P(Fused, RmsNormEqualsItsFormula) {
  for (const std::int64_t width : {2, 7, 64, 577}) {
    const auto x = leaf({3, 5, width}, GetParam().dtype);
    const auto w = leaf({width}, at::kFloat);
    compare(
        {x, w}, [&] { return rms_norm(x, w, 1e-5); },
        [&] {
          const auto wide = x.to(at::kFloat);
          return wide * at::rsqrt(wide.square().mean(-1, true) + 1e-5) * w;
        });
  }
}

TEST_P(Fused, GatedSiluEqualsItsFormula) {
  for (const std::int64_t width : {1, 19, 256}) {
    const auto gate = leaf({2, 9, width}, GetParam().dtype);
    const auto up = leaf({2, 9, width}, GetParam().dtype);
    compare(
        {gate, up}, [&] { return gated_silu(gate, up); },
        [&] { return at::silu(gate.to(at::kFloat)) * up.to(at::kFloat); });
  }
}

TEST_P(Fused, RotaryEqualsItsFormula) {
  const RotaryTables tables(20, rotary_frequencies(12, 10000.0));
  const auto cosine = tables.cosine.slice(0, 3, 10), sine = tables.sine.slice(0, 3, 10);
  const auto x = leaf({2, 7, 3, 12}, GetParam().dtype);
  compare(
      {x}, [&] { return rotate(x, cosine, sine); },
      [&] {
        const auto wide = x.to(at::kFloat);
        const auto turned = at::cat({-wide.slice(-1, 6), wide.slice(-1, 0, 6)}, -1);
        const auto c = at::cat({cosine, cosine}, -1).unsqueeze(1);
        const auto s = at::cat({sine, sine}, -1).unsqueeze(1);
        return (wide * c + turned * s).transpose(1, 2);
      });
}

/// The formula: `k` and `v` are of three heads of `q` each; `hidden` [T, T] is what a row does not
/// see.
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& hidden) {
  const auto group = [](const at::Tensor& x) { return x.to(at::kFloat).repeat_interleave(3, 1); };
  const auto scores = at::matmul(q.to(at::kFloat), group(k).transpose(-1, -2)) / std::sqrt(8.0);
  return at::matmul(at::softmax(scores.masked_fill(hidden, -INFINITY), -1), group(v));
}

TEST_P(Fused, AttentionEqualsItsFormula) {
  for (const std::int64_t T : {2, 5, 33}) {
    const auto q = leaf({2, 6, T, 8}, GetParam().dtype);
    const auto k = leaf({2, 2, T, 8}, GetParam().dtype), v = leaf({2, 2, T, 8}, GetParam().dtype);
    compare(
        {q, k, v}, [&] { return causal_attention(q, k, v); },
        [&] {
          const auto hidden = at::ones({T, T}, at::kBool).triu(1);
          return masked_attention(q, k, v, hidden);
        });
  }
}

TEST_P(Fused, WindowedAttentionEqualsItsFormula) {
  const std::int64_t T = 21;
  for (const std::int64_t window : {2, 4, 20, 21}) {
    const auto q = leaf({2, 6, T, 8}, GetParam().dtype);
    const auto k = leaf({2, 2, T, 8}, GetParam().dtype), v = leaf({2, 2, T, 8}, GetParam().dtype);
    const auto mask = causal_mask(T, 0, window, at::kCPU);
    compare(
        {q, k, v}, [&] { return windowed_attention(q, k, v, window, mask); },
        [&] {
          const auto t = at::arange(T);
          const auto back = t.unsqueeze(1) - t;
          const auto hidden = (back < 0).logical_or(back >= window);
          return masked_attention(q, k, v, hidden);
        });
  }
}

TEST_P(Fused, AttentionOfSequencesInARowIsThatOfEachAlone) {
  const std::vector<std::int64_t> lengths = {7, 1, 33, 12};
  const std::int64_t T = 53, window = 9;
  for (const bool windowed : {false, true}) {
    const auto q = leaf({2, 6, T, 8}, GetParam().dtype);
    const auto k = leaf({2, 2, T, 8}, GetParam().dtype), v = leaf({2, 2, T, 8}, GetParam().dtype);
    const auto mask = causal_mask(33, 0, window, at::kCPU);
    compare(
        {q, k, v},
        [&] {
          return windowed ? windowed_attention(q, k, v, window, mask, lengths)
                          : causal_attention(q, k, v, lengths);
        },
        [&] {
          const auto t = at::arange(T);
          const auto own = at::repeat_interleave(at::tensor(lengths, at::kLong));
          const auto back = t.unsqueeze(1) - t;
          auto hidden = (back < 0).logical_or(own.unsqueeze(1) != own);
          if (windowed) hidden = hidden.logical_or(back >= window);
          return masked_attention(q, k, v, hidden);
        });
  }
}

TEST_P(Fused, CrossEntropyEqualsItsFormula) {
  const auto logits = (at::randn({9, 700}) * 8).to(GetParam().dtype).set_requires_grad(true);
  const auto labels = at::randint(0, 700, {9}, at::kLong);
  for (const double smoothing : {0.0, 0.1}) {
    const auto expected = at::cross_entropy_loss(logits.to(at::kFloat), labels, {},
                                                 at::Reduction::Mean, -100, smoothing);
    const auto got = cross_entropy(logits, labels, smoothing);
    EXPECT_EQ(got.scalar_type(), at::kFloat);
    EXPECT_NEAR(got.item<float>(), expected.item<float>(), 1e-5);
    logits.mutable_grad() = at::Tensor();
    (expected * 3).backward();
    const auto gradient = logits.grad().clone();
    logits.mutable_grad() = at::Tensor();
    (got * 3).backward();
    EXPECT_LT(relative(logits.grad(), gradient), 2 * GetParam().tolerance);
    const at::NoGradGuard no_grad;
    EXPECT_EQ(cross_entropy(logits, labels, smoothing).item<float>(), got.item<float>());
  }
}

TEST(CrossEntropy, RefusesLabelsOutsideTheVocabulary) {
  EXPECT_THROW(cross_entropy(at::randn({1, 4}), at::tensor({4}, at::kLong)), c10::Error);
  EXPECT_THROW(cross_entropy(at::randn({1, 4}), at::tensor({-100}, at::kLong)), c10::Error);
}

TEST(CrossEntropy, OfBrokenLogitsIsBroken) {
  auto logits = at::randn({3, 100});
  logits[1][40] = NAN;
  const auto labels = at::tensor({1, 2, 3}, at::kLong);
  EXPECT_FALSE(std::isfinite(cross_entropy(logits, labels).item<float>()));
  logits[1][40] = INFINITY;
  EXPECT_FALSE(std::isfinite(cross_entropy(logits, labels).item<float>()));
}

TEST(CausalAttention, TakesLongDialoguesInParts) {
  at::manual_seed(2);
  const auto q = leaf({3, 2, 1600, 4}, at::kFloat), k = leaf({3, 1, 1600, 4}, at::kFloat),
             v = leaf({3, 1, 1600, 4}, at::kFloat);
  const auto upstream = at::randn({3, 2, 1600, 4});
  // 5.1 million scores per group, so one group at a time.
  causal_attention(q, k, v).backward(upstream);
  std::vector<at::Tensor> got;
  for (auto x : {q, k, v}) {
    got.push_back(x.grad().clone());
    x.mutable_grad() = at::Tensor();
  }
  at::scaled_dot_product_attention(q, k, v, {}, 0.0, true, std::nullopt, true).backward(upstream);
  EXPECT_LT(relative(got[0], q.grad()), 1e-5);
  EXPECT_LT(relative(got[1], k.grad()), 1e-5);
  EXPECT_LT(relative(got[2], v.grad()), 1e-5);
}

TEST_P(Fused, TakesTransposedInputs) {
  const auto x = leaf({8, 4}, GetParam().dtype), u = leaf({8, 4}, GetParam().dtype);
  compare(
      {x, u}, [&] { return gated_silu(x.t(), u.t()); },
      [&] { return at::silu(x.t().to(at::kFloat)) * u.t().to(at::kFloat); });
}

TEST(GatedSilu, StaysRightAtExtremesAndKeepsNan) {
  const auto gate = at::tensor({-1e30F, -100.0F, -20.0F, 0.0F, 20.0F, 100.0F, 1e30F, NAN});
  const auto got = gated_silu(gate, at::ones_like(gate));
  EXPECT_LT((got - at::silu(gate)).slice(0, 1, 6).abs().max().item<float>(), 1e-6);
  EXPECT_EQ(got[6].item<float>(), 1e30F);
  EXPECT_TRUE(std::isnan(got[7].item<float>()));
  const auto narrow = gated_silu(gate.to(at::kBFloat16), at::ones({8}, at::kBFloat16));
  EXPECT_TRUE(std::isnan(narrow[7].item<float>()));
}

TEST(Dropout, DropsTheShareAndKeepsTheMean) {
  at::manual_seed(3);
  const auto y = dropout(at::ones({400, 500}), 0.2);
  EXPECT_NEAR((y == 0).to(at::kFloat).mean().item<double>(), 0.2, 0.004);
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.005);
  // Neither whole rows nor whole columns are dropped together.
  EXPECT_LT((y == 0).to(at::kFloat).mean(0).sub(0.2).abs().max().item<double>(), 0.1);
  EXPECT_LT((y == 0).to(at::kFloat).mean(1).sub(0.2).abs().max().item<double>(), 0.1);
  EXPECT_FALSE(at::equal(y[0], y[1]));
}

TEST(Dropout, FollowsTheSeedAndItsGradientTheMask) {
  const auto x = leaf({30, 40}, at::kFloat);
  at::manual_seed(5);
  const auto y = dropout(x, 0.5);
  at::manual_seed(5);
  EXPECT_TRUE(at::equal(dropout(x, 0.5), y));
  EXPECT_FALSE(at::equal(dropout(x, 0.5), y));
  y.sum().backward();
  EXPECT_TRUE(at::allclose(x.grad() * x, y));
}

TEST(Dropout, IsTheSameThingInEveryPrecision) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    at::manual_seed(5);
    const auto x = at::ones({200, 300}, dtype).set_requires_grad(true);
    const auto y = dropout(x, 0.25);
    EXPECT_EQ(y.scalar_type(), dtype);
    const auto kept = (y != 0).to(at::kFloat);
    EXPECT_NEAR(kept.mean().item<double>(), 0.75, 0.01) << dtype;
    EXPECT_LT(relative(y.detach(), kept / 0.75), 4e-3) << dtype;
    y.sum().backward();
    EXPECT_TRUE(at::equal(x.grad(), y.detach())) << dtype;
  }
}

TEST(FusedOperations, AcceptNoRows) {
  const auto none = at::empty({0, 8});
  EXPECT_EQ(rms_norm(none, at::ones({8}), 1e-5).sizes(), none.sizes());
  EXPECT_EQ(gated_silu(none, none).sizes(), none.sizes());
}

}  // namespace
}  // namespace medseg
