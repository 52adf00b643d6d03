#include "medseg/nn/grid_attention.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medseg {
namespace {

/// The formula, for all scores at once.
at::Tensor plain(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                 const at::Tensor& rows, const at::Tensor& columns) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(2)));
  const auto bias = (rows.unsqueeze(-1) + columns.unsqueeze(-2)).flatten(2);
  return at::softmax(at::matmul(q * scale, k.transpose(1, 2)) + bias, -1).matmul(v);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / b.abs().max().item<double>();
}

struct Inputs {
  std::vector<at::Tensor> all;
  at::Tensor call(at::Tensor (*f)(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  const at::Tensor&, const at::Tensor&)) const {
    return f(all[0], all[1], all[2], all[3], all[4]);
  }
};

Inputs inputs(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t depth) {
  Inputs made;
  for (const auto columns : {depth, depth, depth, height, width})
    made.all.push_back(at::randn({count, height * width, columns}));
  return made;
}

TEST(GridAttention, IsTheFormula) {
  at::manual_seed(3);
  const auto given = inputs(6, 3, 5, 8);
  EXPECT_LT(largest_difference(given.call(grid_attention), given.call(plain)), 2e-6);
}

TEST(GridAttention, GradientsAreThoseOfTheFormula) {
  at::manual_seed(4);
  auto given = inputs(4, 4, 3, 8);
  const auto cotangent = at::randn({4, 12, 8});
  std::vector<at::Tensor> expected;
  for (auto& x : given.all) x.set_requires_grad(true);
  (given.call(plain) * cotangent).sum().backward();
  for (auto& x : given.all) {
    expected.push_back(x.grad().clone());
    x.mutable_grad() = at::Tensor();
  }
  const auto out = given.call(grid_attention);
  EXPECT_TRUE(out.requires_grad());
  (out * cotangent).sum().backward();
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_LT(largest_difference(given.all[i].grad(), expected[i]), 5e-6) << i;
}

// 2 · 4096² scores do not fit one piece.
TEST(GridAttention, PiecesAreTheWhole) {
  at::manual_seed(5);
  const auto given = inputs(2, 64, 64, 4);
  const auto out = given.call(grid_attention);
  for (const std::int64_t i : {0, 1}) {
    Inputs one;
    for (const auto& x : given.all) one.all.push_back(x.narrow(0, i, 1));
    EXPECT_LT(largest_difference(out.narrow(0, i, 1), one.call(plain)), 5e-6) << i;
  }
}

TEST(GridAttention, BiasesOfAnotherGridAreRefused) {
  auto given = inputs(1, 2, 3, 4);
  given.all[3] = at::zeros({1, 6, 3});
  EXPECT_THROW(given.call(grid_attention), c10::Error);
}

}  // namespace
}  // namespace medseg
