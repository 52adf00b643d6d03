#include "medseg/nn/flop_count.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/nn/window_attention.h"

namespace medseg {
namespace {

template <class Work>
double flops(const Work& work) {
  const FlopCount count;
  const double before = counted_flops();
  work();
  return counted_flops() - before;
}

TEST(FlopCount, CountsProductsOnce) {
  const auto a = at::ones({3, 5}), b = at::ones({5, 7});
  EXPECT_EQ(flops([&] { at::mm(a, b); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flops([&] { at::matmul(a, b); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flops([&] {
              at::linear(at::ones({2, 3, 5}), at::ones({7, 5}), at::ones({7}));
            }),
            2 * 2 * 3 * 5 * 7);
  EXPECT_EQ(flops([&] { at::bmm(at::ones({4, 3, 5}), at::ones({4, 5, 7})); }), 4 * 2 * 3 * 5 * 7);
  EXPECT_EQ(flops([&] { at::add(a, a); }), 0);
}

TEST(FlopCount, CountsTheBackwardPass) {
  const auto x = at::ones({3, 5}).set_requires_grad(true);
  const auto w = at::ones({7, 5}).set_requires_grad(true);
  EXPECT_EQ(flops([&] { at::linear(x, w).sum().backward(); }), 3 * 2 * 3 * 5 * 7);
}

TEST(FlopCount, CountsConvolutionsAndAttention) {
  const auto image = at::ones({2, 4, 10, 12});
  EXPECT_EQ(flops([&] {
              at::conv2d(image, at::ones({8, 4, 3, 3}), {}, 2, 1);
            }),
            2.0 * 2 * (5 * 6) * 8 * 4 * 9);
  EXPECT_EQ(flops([&] {
              at::conv2d(image, at::ones({4, 1, 3, 3}), {}, 1, 1, 1, 4);
            }),
            2.0 * 2 * (10 * 12) * 4 * 9);
  const auto q = at::ones({2, 4, 9, 8}), k = at::ones({2, 4, 6, 8});
  EXPECT_EQ(flops([&] { at::scaled_dot_product_attention(q, k, k); }), 2.0 * 2 * 4 * 9 * 6 * 8 * 2);
}

TEST(FlopCount, CountsAttentionInWindows) {
  const auto qkv = at::ones({3, 9, 2 * 3 * 32});
  const PairBias bias(at::zeros({2, 9, 9}));
  EXPECT_EQ(flops([&] { window_attention(qkv, bias); }), 4.0 * 3 * 2 * 9 * 9 * 32);
}

TEST(FlopCount, CountsNothingUnasked) {
  const double before = counted_flops();
  at::mm(at::ones({3, 3}), at::ones({3, 3}));
  add_flops(5);
  EXPECT_EQ(counted_flops(), before);
}

}  // namespace
}  // namespace medseg
