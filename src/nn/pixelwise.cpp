#include "medseg/nn/pixelwise.h"

#include <ATen/ATen.h>

#include "medseg/nn/parallel.h"
#include "simd.h"

namespace medseg {
namespace {

using simd::Float;
using simd::kLanes;

// Φ(x) - 1/2 = x · P(x²) on [-4.5, 4.5], fitted so that the error of x·Φ(x) is even; 4.5 and beyond count as 4.5.
MEDSEG_INLINE void gelu(Float& x) {
  constexpr float kEnd = 4.5F;
  Float clamped = x < -kEnd ? Float{} - kEnd : x;
  clamped = clamped > kEnd ? Float{} + kEnd : clamped;
  const Float square = clamped * clamped;
  Float p = square * -1.4000082560264304e-12F + 1.6972448446672672e-10F;
  p = p * square - 9.193500183357628e-09F;
  p = p * square + 2.9588403549496434e-07F;
  p = p * square - 6.3651741584180854e-06F;
  p = p * square + 9.787065937416628e-05F;
  p = p * square - 0.0011226747883483768F;
  p = p * square + 0.00983317382633686F;
  p = p * square - 0.06633704155683517F;
  p = p * square + 0.39888378977775574F;
  x = x * (clamped * p + 0.5F);
}

MEDSEG_VECTORISED void gelu_span(c10::BFloat16* x, std::int64_t count) {
  std::int64_t i = 0;
  Float value;
  for (; i + kLanes <= count; i += kLanes) {
    simd::load(x + i, value);
    gelu(value);
    simd::store(value, x + i);
  }
  if (i < count) {
    simd::load_part(x + i, count - i, value);
    gelu(value);
    simd::store_part(value, count - i, x + i);
  }
}

// Sixteen channels of one output row. Each input column is read once: it ends the output to its left, is the middle of
// its own and starts the one to its right.
template <class T, bool kWhole>
MEDSEG_INLINE void depthwise_lanes(const T* const rows[3], const float* taps, T* out,
                                   std::int64_t width, std::int64_t channels, std::int64_t stride,
                                   std::int64_t count) {
  const auto get = [count](const auto* from, Float& to) {
    if constexpr (kWhole)
      simd::load(from, to);
    else
      simd::load_part(from, count, to);
  };
  Float tap[9], bias;
  for (std::int64_t k = 0; k < 9; ++k) get(taps + k * channels, tap[k]);
  get(taps + 9 * channels, bias);
  Float before = bias, here = bias, top, middle, bottom;  // outputs x-1 and x, so far
  const auto put = [&](const Float& value, std::int64_t x) {
    if (x < 0 || x % stride != 0) return;
    if constexpr (kWhole)
      simd::store(value, out + x / stride * channels);
    else
      simd::store_part(value, count, out + x / stride * channels);
  };
  for (std::int64_t x = 0; x < width; ++x) {
    get(rows[0] + x * channels, top);
    get(rows[1] + x * channels, middle);
    get(rows[2] + x * channels, bottom);
    put(before + top * tap[2] + middle * tap[5] + bottom * tap[8], x - 1);
    before = here + top * tap[1] + middle * tap[4] + bottom * tap[7];
    here = bias + top * tap[0] + middle * tap[3] + bottom * tap[6];
  }
  put(before, width - 1);
}

template <class T>
MEDSEG_INLINE void depthwise_row_of(const T* const rows[3], const float* taps, T* out,
                                    std::int64_t width, std::int64_t channels,
                                    std::int64_t stride) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    const T* const at[3] = {rows[0] + c, rows[1] + c, rows[2] + c};
    depthwise_lanes<T, true>(at, taps + c, out + c, width, channels, stride, kLanes);
  }
  if (c < channels) {
    const T* const at[3] = {rows[0] + c, rows[1] + c, rows[2] + c};
    depthwise_lanes<T, false>(at, taps + c, out + c, width, channels, stride, channels - c);
  }
}

MEDSEG_VECTORISED void depthwise_row(const float* const rows[3], const float* taps, float* out,
                                     std::int64_t width, std::int64_t channels,
                                     std::int64_t stride) {
  depthwise_row_of(rows, taps, out, width, channels, stride);
}
MEDSEG_VECTORISED void depthwise_row(const c10::BFloat16* const rows[3], const float* taps,
                                     c10::BFloat16* out, std::int64_t width, std::int64_t channels,
                                     std::int64_t stride) {
  depthwise_row_of(rows, taps, out, width, channels, stride);
}

template <class T>
void depthwise_rows_of(const at::Tensor& rows, const at::Tensor& taps, std::int64_t stride,
                       at::Tensor& out) {
  const auto width = rows.size(1), channels = rows.size(2);
  const T* from = rows.const_data_ptr<T>();
  T* to = out.mutable_data_ptr<T>();
  for (std::int64_t y = 0; y < out.size(0); ++y) {
    const T* first = from + y * stride * width * channels;
    const T* const three[3] = {first, first + width * channels, first + 2 * width * channels};
    depthwise_row(three, taps.const_data_ptr<float>(), to + y * out.size(1) * channels, width,
                  channels, stride);
  }
}

template <class T>
void depthwise_map_of(const at::Tensor& x, const at::Tensor& taps, std::int64_t stride,
                      at::Tensor& out) {
  const auto height = x.size(1), width = x.size(2), channels = x.size(3), out_height = out.size(1);
  const auto nothing = at::zeros({width * channels}, x.options());
  const T* from = x.const_data_ptr<T>();
  T* to = out.mutable_data_ptr<T>();
  parallel_for(0, x.size(0) * out_height, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* picture = from + i / out_height * height * width * channels;
      const T* three[3];
      for (std::int64_t k = 0; k < 3; ++k) {
        const auto y = i % out_height * stride + k - 1;
        three[k] =
            y < 0 || y >= height ? nothing.const_data_ptr<T>() : picture + y * width * channels;
      }
      depthwise_row(three, taps.const_data_ptr<float>(), to + i * out.size(2) * channels, width,
                    channels, stride);
    }
  });
}

void check_float_or_bf16(const at::Tensor& x) {
  TORCH_CHECK(x.is_cpu() && x.is_contiguous() &&
                  (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16),
              "a contiguous float or bf16 map on the CPU is expected, got ", x.toString());
}

}  // namespace

void gelu_in_place(at::Tensor& x) {
  if (x.scalar_type() != at::kBFloat16 || !x.is_cpu() || !x.is_contiguous()) {
    at::gelu_(x);
    return;
  }
  auto* values = x.mutable_data_ptr<c10::BFloat16>();
  parallel_for(0, x.numel(), 1 << 15, [values](std::int64_t begin, std::int64_t end) {
    gelu_span(values + begin, end - begin);
  });
}

DepthwiseWeights::DepthwiseWeights(const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(
      weight.dim() == 4 && weight.size(1) == 1 && weight.size(2) == 3 && weight.size(3) == 3,
      "a 3x3 depthwise convolution is expected, got weights ", weight.sizes());
  const at::NoGradGuard no_grad;
  taps = at::cat({weight.reshape({-1, 9}).t(), bias.unsqueeze(0)}).to(at::kFloat).contiguous();
}

void depthwise_3x3_rows(const at::Tensor& rows, const DepthwiseWeights& weights,
                        std::int64_t stride, at::Tensor& out) {
  check_float_or_bf16(rows);
  TORCH_CHECK(
      rows.dim() == 3 && out.is_contiguous() && (out.size(0) - 1) * stride + 3 <= rows.size(0),
      "rows ", rows.sizes(), " do not give ", out.sizes());
  if (rows.scalar_type() == at::kFloat)
    depthwise_rows_of<float>(rows, weights.taps, stride, out);
  else
    depthwise_rows_of<c10::BFloat16>(rows, weights.taps, stride, out);
}

at::Tensor depthwise_3x3(const at::Tensor& x, const DepthwiseWeights& weights,
                         std::int64_t stride) {
  check_float_or_bf16(x);
  const auto smaller = [stride](std::int64_t side) { return (side + stride - 1) / stride; };
  auto out = at::empty({x.size(0), smaller(x.size(1)), smaller(x.size(2)), x.size(3)}, x.options());
  if (x.scalar_type() == at::kFloat)
    depthwise_map_of<float>(x, weights.taps, stride, out);
  else
    depthwise_map_of<c10::BFloat16>(x, weights.taps, stride, out);
  return out;
}

}  // namespace medseg
