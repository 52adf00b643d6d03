#include "map_kernels.h"

#include <cmath>

#include "gelu_lanes.h"
#include "simd.h"

namespace medseg::maps {
namespace {

using simd::Float;
using simd::kLanes;
using simd::Pair;

constexpr std::int64_t kMostBlocks = kMostChannels / kLanes;

MEDSEG_INLINE void accumulate(float* sums, const Pair& more) {
  Pair total;
  simd::load_parted(sums, total);
  total.even += more.even;
  total.odd += more.odd;
  simd::store_parted(total, sums);
}

/// One row of (x + offset - mean) / deviation into `unit`; returns 1 / deviation.
template <bool kOffset>
MEDSEG_INLINE float standardise(const NormRows& norm, const BFloat16* x, Pair* unit) {
  const auto blocks = norm.channels / kLanes;
  const auto count = static_cast<float>(norm.channels);
  Float sums = {}, squares = {};
  for (std::int64_t i = 0; i < blocks; ++i) {
    simd::load(x + i * kLanes, unit[i]);
    if constexpr (kOffset) {
      Pair offset;
      simd::load_parted(norm.offset + i * kLanes, offset);
      unit[i].even += offset.even;
      unit[i].odd += offset.odd;
    }
    sums += unit[i].even + unit[i].odd;
  }
  float sum, square;
  simd::folded<simd::Fold::kSum>(sums, sum);
  const float mean = sum / count;
  for (std::int64_t i = 0; i < blocks; ++i) {
    unit[i].even -= mean;
    unit[i].odd -= mean;
    squares += unit[i].even * unit[i].even + unit[i].odd * unit[i].odd;
  }
  simd::folded<simd::Fold::kSum>(squares, square);
  const float factor = 1.0F / std::sqrt(square / count + norm.eps);
  for (std::int64_t i = 0; i < blocks; ++i) {
    unit[i].even *= factor;
    unit[i].odd *= factor;
  }
  return factor;
}

MEDSEG_INLINE void affine(const NormRows& norm, std::int64_t channel, const Pair& unit, Pair& y) {
  Pair weight, bias;
  simd::load_parted(norm.weight + channel, weight);
  simd::load_parted(norm.bias + channel, bias);
  y.even = unit.even * weight.even + bias.even;
  y.odd = unit.odd * weight.odd + bias.odd;
}

/// `slope` [blocks] is the gradient after the affine map, `unit` the standardised row. Writes dx
/// and adds to the sums.
template <bool kOffset>
MEDSEG_INLINE void through_norm(const NormRows& norm, const Pair* unit, Pair* slope, float factor,
                                BFloat16* dx, float* sums) {
  const auto channels = norm.channels, blocks = channels / kLanes;
  Float plain = {}, along = {};
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Pair product = {slope[i].even * unit[i].even, slope[i].odd * unit[i].odd};
    accumulate(sums + i * kLanes, product);
    accumulate(sums + channels + i * kLanes, slope[i]);
    Pair weight;
    simd::load_parted(norm.weight + i * kLanes, weight);
    slope[i].even *= weight.even;
    slope[i].odd *= weight.odd;
    plain += slope[i].even + slope[i].odd;
    along += product.even * weight.even + product.odd * weight.odd;
  }
  float mean, tilt;
  simd::folded<simd::Fold::kSum>(plain, mean);
  simd::folded<simd::Fold::kSum>(along, tilt);
  mean /= static_cast<float>(channels);
  tilt /= static_cast<float>(channels);
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Pair result = {(slope[i].even - mean - unit[i].even * tilt) * factor,
                         (slope[i].odd - mean - unit[i].odd * tilt) * factor};
    if constexpr (kOffset) accumulate(sums + 2 * channels + i * kLanes, result);
    simd::store(result, dx + i * kLanes);
  }
}

}  // namespace

MEDSEG_VECTORISED void norm_gelu(const NormRows& norm, const BFloat16* x, BFloat16* y,
                                 std::int64_t rows) {
  Pair unit[kMostBlocks], value;
  for (std::int64_t row = 0; row < rows; ++row, x += norm.channels, y += norm.channels) {
    standardise<true>(norm, x, unit);
    for (std::int64_t c = 0; c < norm.channels; c += kLanes) {
      affine(norm, c, unit[c / kLanes], value);
      gelu(value);
      simd::store(value, y + c);
    }
  }
}

MEDSEG_VECTORISED void norm_gelu_backward(const NormRows& norm, const BFloat16* x,
                                          const BFloat16* dy, BFloat16* dx, float* sums,
                                          std::int64_t rows) {
  Pair unit[kMostBlocks], slope[kMostBlocks], value;
  for (std::int64_t row = 0; row < rows;
       ++row, x += norm.channels, dy += norm.channels, dx += norm.channels) {
    const float factor = standardise<true>(norm, x, unit);
    for (std::int64_t i = 0; i < norm.channels / kLanes; ++i) {
      affine(norm, i * kLanes, unit[i], value);
      gelu_slope(value);
      simd::load(dy + i * kLanes, slope[i]);
      slope[i].even *= value.even;
      slope[i].odd *= value.odd;
    }
    through_norm<true>(norm, unit, slope, factor, dx, sums);
  }
}

MEDSEG_VECTORISED void norm_place(const NormRows& norm, const BFloat16* x,
                                  const BFloat16* positions, BFloat16* y, BFloat16* placed,
                                  std::int64_t rows) {
  Pair unit[kMostBlocks], value, position;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto at = row * norm.channels;
    standardise<false>(norm, x + at, unit);
    for (std::int64_t c = 0; c < norm.channels; c += kLanes) {
      affine(norm, c, unit[c / kLanes], value);
      simd::store(value, y + at + c);
      simd::load(positions + at + c, position);
      value.even += position.even;
      value.odd += position.odd;
      simd::store(value, placed + at + c);
    }
  }
}

MEDSEG_VECTORISED void norm_place_backward(const NormRows& norm, const BFloat16* x,
                                           const BFloat16* dy, const BFloat16* dplaced,
                                           BFloat16* dx, float* sums, std::int64_t rows) {
  Pair unit[kMostBlocks], slope[kMostBlocks], more;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto at = row * norm.channels;
    const float factor = standardise<false>(norm, x + at, unit);
    for (std::int64_t i = 0; i < norm.channels / kLanes; ++i) {
      simd::load(dy + at + i * kLanes, slope[i]);
      simd::load(dplaced + at + i * kLanes, more);
      slope[i].even += more.even;
      slope[i].odd += more.odd;
    }
    through_norm<false>(norm, unit, slope, factor, dx + at, sums);
  }
}

MEDSEG_VECTORISED void gelu_dot(const float* offset, const float* brush, const BFloat16* x,
                                float* y, std::int64_t rows, std::int64_t channels) {
  Pair value, shift, weight;
  for (std::int64_t row = 0; row < rows; ++row, x += channels) {
    Float lanes = {};
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      simd::load(x + c, value);
      simd::load_parted(offset + c, shift);
      simd::load_parted(brush + c, weight);
      value.even += shift.even;
      value.odd += shift.odd;
      gelu(value);
      lanes += value.even * weight.even + value.odd * weight.odd;
    }
    simd::folded<simd::Fold::kSum>(lanes, y[row]);
  }
}

MEDSEG_VECTORISED void gelu_dot_backward(const float* offset, const float* brush, const BFloat16* x,
                                         const float* dy, BFloat16* dx, float* sums,
                                         std::int64_t rows, std::int64_t channels) {
  Pair value, shift, weight;
  // The sums of 32 channels stay in registers.
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    simd::load_parted(offset + c, shift);
    simd::load_parted(brush + c, weight);
    Pair offset_sum = {}, brush_sum = {};
    for (std::int64_t row = 0; row < rows; ++row) {
      simd::load(x + row * channels + c, value);
      value.even += shift.even;
      value.odd += shift.odd;
      Pair slope = value;
      gelu(value);
      gelu_slope(slope);
      brush_sum.even += value.even * dy[row];
      brush_sum.odd += value.odd * dy[row];
      slope.even *= weight.even * dy[row];
      slope.odd *= weight.odd * dy[row];
      offset_sum.even += slope.even;
      offset_sum.odd += slope.odd;
      simd::store(slope, dx + row * channels + c);
    }
    accumulate(sums + c, offset_sum);
    accumulate(sums + channels + c, brush_sum);
  }
}

}  // namespace medseg::maps
