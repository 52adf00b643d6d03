#include "medseg/nn/few_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medseg {
namespace {

// Widths below, at and between whole vectors of 32.
TEST(FewRows, EqualProductsInDoubleForEveryWidthAndFormat) {
  at::manual_seed(1);
  for (const std::int64_t width : {1, 31, 32, 33, 64, 100}) {
    for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17}) {
      const auto x = at::randn({rows, width});
      for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const auto weight = at::randn({rows + 15, width}).to(dtype);  // whole and torn tiles
        const auto expected = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
        const auto found = few_rows_linear(x, weight).to(at::kDouble);
        EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4)
            << width << " numbers, " << rows << " rows";
      }
    }
  }
}

TEST(FewRows, ARowDoesNotDependOnTheOthers) {
  at::manual_seed(2);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto x = at::randn({17, 75}), weight = at::randn({40, 75}).to(dtype);
    const auto all = few_rows_linear(x, weight);
    for (std::int64_t r = 0; r < 17; ++r)
      EXPECT_TRUE(at::equal(few_rows_linear(x.narrow(0, r, 1), weight)[0], all[r])) << dtype;
  }
}

TEST(FewRows, WhatCannotBeReadInPlaceIsTold) {
  EXPECT_TRUE(is_readable_by_rows(at::ones({2, 3})));
  EXPECT_TRUE(is_readable_by_rows(at::ones({2, 3}, at::kBFloat16)));
  EXPECT_FALSE(is_readable_by_rows(at::ones({3, 2}).t()));
  EXPECT_FALSE(is_readable_by_rows(at::ones({2, 3}, at::kHalf)));
  EXPECT_FALSE(is_readable_by_rows(at::ones({2})));
  EXPECT_FALSE(is_readable_by_rows(at::Tensor()));
}

TEST(FewRows, AttentionToACacheEqualsTheFormula) {
  at::manual_seed(3);
  for (const std::int64_t width : {10, 32, 64, 80, 96, 600}) {
    for (const std::int64_t count : {1, 5, 200}) {
      for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const auto q = at::randn({width});
        const auto keys = at::randn({count, width}).to(dtype),
                   values = at::randn({count, width}).to(dtype);
        const auto shares =
            (at::matmul(keys.to(at::kDouble), q.to(at::kDouble)) / std::sqrt(double(width)))
                .softmax(0);
        const auto expected = at::matmul(shares, values.to(at::kDouble));
        std::vector<float> scores(static_cast<std::size_t>(2 * count));
        auto found = at::empty({width});
        attend_to_cache(q.const_data_ptr<float>(),
                        {keys.const_data_ptr(), values.const_data_ptr(), dtype, count, width},
                        scores.data(), found.mutable_data_ptr<float>());
        EXPECT_LT((found.to(at::kDouble) - expected).abs().max().item<double>(), 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace medseg
