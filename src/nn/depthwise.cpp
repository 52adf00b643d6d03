#include <ATen/ATen.h>

#include "gelu_lanes.h"
#include "medseg/nn/parallel.h"
#include "medseg/nn/pixelwise.h"
#include "simd.h"

namespace medseg {
namespace {

using c10::BFloat16;
using simd::kLanes;
using simd::Pair;

MEDSEG_INLINE void multiply_add(const Pair& x, const Pair& y, Pair& sum) {
  sum.even += x.even * y.even;
  sum.odd += x.odd * y.odd;
}

// Up to 32 channels of one output row. Each input column is read once: it is the right tap of the
// output to its left, the middle tap of its own, and the left tap of the output to its right.
template <bool kWhole, bool kGelu, class T>
MEDSEG_INLINE void convolve_lanes(const T* const rows[3], const float* taps,
                                  std::int64_t taps_stride, T* out, std::int64_t width,
                                  std::int64_t channels, std::int64_t stride, std::int64_t count) {
  Pair tap[9], bias;
  for (std::int64_t k = 0; k < 9; ++k) simd::load_parted(taps + k * taps_stride, tap[k]);
  simd::load_parted(taps + 9 * taps_stride, bias);
  // Partial sums of the output to the left and of the one at the column.
  Pair before = bias, here = bias;
  const auto put = [&](Pair value, std::int64_t x) {
    if (x < 0 || (stride == 2 && x % 2 != 0)) return;
    if constexpr (kGelu) gelu(value);
    T* to = out + x / stride * channels;
    if constexpr (kWhole)
      simd::store(value, to);
    else
      simd::store_part(value, count, to);
  };
  for (std::int64_t x = 0; x < width; ++x) {
    Pair column, left = before, middle = here, right = bias;
    for (std::int64_t y = 0; y < 3; ++y) {
      if constexpr (kWhole)
        simd::load(rows[y] + x * channels, column);
      else
        simd::load_part(rows[y] + x * channels, count, column);
      multiply_add(column, tap[3 * y + 2], left);
      multiply_add(column, tap[3 * y + 1], middle);
      multiply_add(column, tap[3 * y], right);
    }
    put(left, x - 1);
    before = middle;
    here = right;
  }
  put(before, width - 1);
}

template <bool kGelu, class T>
MEDSEG_INLINE void convolve_row(const T* const rows[3], const float* taps, std::int64_t taps_stride,
                                T* out, std::int64_t width, std::int64_t channels,
                                std::int64_t stride) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    const T* const at[3] = {rows[0] + c, rows[1] + c, rows[2] + c};
    convolve_lanes<true, kGelu>(at, taps + c, taps_stride, out + c, width, channels, stride,
                                kLanes);
  }
  if (c < channels) {
    const T* const at[3] = {rows[0] + c, rows[1] + c, rows[2] + c};
    convolve_lanes<false, kGelu>(at, taps + c, taps_stride, out + c, width, channels, stride,
                                 channels - c);
  }
}

MEDSEG_VECTORISED void convolve(const float* const rows[3], const float* taps,
                                std::int64_t taps_stride, float* out, std::int64_t width,
                                std::int64_t channels, std::int64_t stride) {
  convolve_row<false>(rows, taps, taps_stride, out, width, channels, stride);
}
MEDSEG_VECTORISED void convolve(const BFloat16* const rows[3], const float* taps,
                                std::int64_t taps_stride, BFloat16* out, std::int64_t width,
                                std::int64_t channels, std::int64_t stride) {
  convolve_row<false>(rows, taps, taps_stride, out, width, channels, stride);
}
MEDSEG_VECTORISED void convolve_gelu(const BFloat16* const rows[3], const float* taps,
                                     std::int64_t taps_stride, BFloat16* out, std::int64_t width,
                                     std::int64_t channels, std::int64_t stride) {
  convolve_row<true>(rows, taps, taps_stride, out, width, channels, stride);
}

void row(const float* const rows[3], const PerChannel& taps, float* out, std::int64_t width,
         std::int64_t stride, Then /*fp32 is activated afterwards*/) {
  convolve(rows, taps.data(), taps.stride(), out, width, taps.channels(), stride);
}
void row(const BFloat16* const rows[3], const PerChannel& taps, BFloat16* out, std::int64_t width,
         std::int64_t stride, Then then) {
  const auto run =
      then == Then::kGelu ? convolve_gelu : static_cast<decltype(convolve_gelu)*>(convolve);
  run(rows, taps.data(), taps.stride(), out, width, taps.channels(), stride);
}

template <class T>
void rows_of(const at::Tensor& rows, const PerChannel& taps, std::int64_t stride, Then then,
             at::Tensor& out) {
  const auto line = rows.size(1) * rows.size(2);
  const T* from = rows.const_data_ptr<T>();
  T* to = out.mutable_data_ptr<T>();
  for (std::int64_t y = 0; y < out.size(0); ++y) {
    const T* first = from + y * stride * line;
    const T* const three[3] = {first, first + line, first + 2 * line};
    row(three, taps, to + y * out.size(1) * out.size(2), rows.size(1), stride, then);
  }
}

template <class T>
void map_of(const at::Tensor& x, const PerChannel& taps, std::int64_t stride, Then then,
            at::Tensor& out) {
  const auto height = x.size(1), line = x.size(2) * x.size(3), out_height = out.size(1);
  const auto nothing = at::zeros({line}, x.options());
  const T* from = x.const_data_ptr<T>();
  T* to = out.mutable_data_ptr<T>();
  parallel_for(0, x.size(0) * out_height, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* three[3];
      for (std::int64_t k = 0; k < 3; ++k) {
        const auto y = i % out_height * stride + k - 1;
        three[k] = y < 0 || y >= height ? nothing.const_data_ptr<T>()
                                        : from + (i / out_height * height + y) * line;
      }
      row(three, taps, to + i * out.size(2) * out.size(3), x.size(2), stride, then);
    }
  });
}

void check(const at::Tensor& x, const PerChannel& taps, std::int64_t stride) {
  TORCH_CHECK(x.is_cpu() && x.is_contiguous() && x.size(-1) == taps.channels() &&
                  (stride == 1 || stride == 2) &&
                  (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16),
              "depthwise_3x3: a contiguous float or bf16 map of ", taps.channels(),
              " channels on the CPU and a stride of 1 or 2 are expected, got ", x.toString(), " ",
              x.sizes(), " by ", stride);
}

}  // namespace

PerChannel depthwise_taps(const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(
      weight.dim() == 4 && weight.size(1) == 1 && weight.size(2) == 3 && weight.size(3) == 3,
      "a 3x3 depthwise convolution is expected, got weights ", weight.sizes());
  const at::NoGradGuard no_grad;
  return PerChannel(at::cat({weight.reshape({-1, 9}).t(), bias.unsqueeze(0)}));
}

void depthwise_3x3_rows(const at::Tensor& rows, const PerChannel& taps, std::int64_t stride,
                        Then then, at::Tensor& out) {
  check(rows, taps, stride);
  TORCH_CHECK(
      rows.dim() == 3 && out.is_contiguous() && (out.size(0) - 1) * stride + 3 <= rows.size(0),
      "rows ", rows.sizes(), " do not give ", out.sizes());
  if (rows.scalar_type() == at::kBFloat16) {
    rows_of<BFloat16>(rows, taps, stride, then, out);
  } else {
    rows_of<float>(rows, taps, stride, then, out);
    if (then == Then::kGelu) at::gelu_(out);
  }
}

at::Tensor depthwise_3x3(const at::Tensor& x, const PerChannel& taps, std::int64_t stride,
                         Then then) {
  check(x, taps, stride);
  const auto smaller = [stride](std::int64_t side) { return (side + stride - 1) / stride; };
  auto out = at::empty({x.size(0), smaller(x.size(1)), smaller(x.size(2)), x.size(3)}, x.options());
  if (x.scalar_type() == at::kBFloat16) {
    map_of<BFloat16>(x, taps, stride, then, out);
  } else {
    map_of<float>(x, taps, stride, then, out);
    if (then == Then::kGelu) at::gelu_(out);
  }
  return out;
}

}  // namespace medseg
