// Sums of products of several rows with one row of a matrix.
#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

namespace medseg::few_rows {

/// As many rows as are multiplied with one reading of the weights.
constexpr std::int64_t kMostRows = 8;

/// sums[r] = Σ w[k] x[r · stride + k] for the first `rows` ≤ kMostRows rows. `whole` numbers, a
/// multiple of 32, are read from w; then `rest` < 32 more. x is filled up with zeros to a multiple
/// of 32. Beside bf16 weights, x has the even numbers of every 32 before the odd ones.
void dot(const c10::BFloat16* w, const float* x, std::int64_t stride, std::int64_t rows,
         std::int64_t whole, std::int64_t rest, float* sums);
void dot(const float* w, const float* x, std::int64_t stride, std::int64_t rows, std::int64_t whole,
         std::int64_t rest, float* sums);

/// scores[i] = scale · q · keys[i]; `keys` is [count, width].
void score_keys(const float* q, const c10::BFloat16* keys, std::int64_t count, std::int64_t width,
                float scale, float* scores);
void score_keys(const float* q, const float* keys, std::int64_t count, std::int64_t width,
                float scale, float* scores);
/// out = Σ shares[i] values[i]; `values` is [count, width].
void mix_values(const float* shares, const c10::BFloat16* values, std::int64_t count,
                std::int64_t width, float* out);
void mix_values(const float* shares, const float* values, std::int64_t count, std::int64_t width,
                float* out);

}  // namespace medseg::few_rows
