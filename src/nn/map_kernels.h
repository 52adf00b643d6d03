/// \file
/// Inner loops of map_ops for rows of bf16, with parameters in PerChannel's order.
#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

namespace medseg::maps {

using c10::BFloat16;

constexpr std::int64_t kMostChannels = 512;

/// Parameters of a norm, each [C] in PerChannel's order; `offset` may be null.
struct NormRows {
  const float *offset, *weight, *bias;
  float eps;
  std::int64_t channels;
};

void norm_gelu(const NormRows& norm, const BFloat16* x, BFloat16* y, std::int64_t rows);
/// The gradients of weight, bias and offset are added to `sums` [3, C].
void norm_gelu_backward(const NormRows& norm, const BFloat16* x, const BFloat16* dy, BFloat16* dx,
                        float* sums, std::int64_t rows);

void norm_place(const NormRows& norm, const BFloat16* x, const BFloat16* positions, BFloat16* y,
                BFloat16* placed, std::int64_t rows);
void norm_place_backward(const NormRows& norm, const BFloat16* x, const BFloat16* dy,
                         const BFloat16* dplaced, BFloat16* dx, float* sums, std::int64_t rows);

void gelu_dot(const float* offset, const float* brush, const BFloat16* x, float* y,
              std::int64_t rows, std::int64_t channels);
/// The gradients of offset and brush are added to `sums` [2, C].
void gelu_dot_backward(const float* offset, const float* brush, const BFloat16* x, const float* dy,
                       BFloat16* dx, float* sums, std::int64_t rows, std::int64_t channels);

}  // namespace medseg::maps
