#include "medseg/nn/pixelwise.h"

#include <cmath>

#include <ATen/ATen.h>

#include "gelu_lanes.h"
#include "medseg/nn/parallel.h"
#include "simd.h"

namespace medseg {
namespace {

using c10::BFloat16;
using simd::Float;
using simd::kLanes;
using simd::Pair;

constexpr std::int64_t kGrain = 1 << 15;  // smallest piece of work for which waking a thread pays

// For up to 32 channels of every row: x = x + bias (+ other), then GELU if it is asked for.
template <bool kWhole, bool kOther, bool kGelu, class T>
MEDSEG_INLINE void add_lanes(T* x, const T* other, const float* bias, std::int64_t rows,
                             std::int64_t channels, std::int64_t count) {
  Pair constant, value, more;
  simd::load_parted(bias, constant);
  for (std::int64_t row = 0; row < rows; ++row, x += channels) {
    if constexpr (kWhole)
      simd::load(x, value);
    else
      simd::load_part(x, count, value);
    value.even += constant.even;
    value.odd += constant.odd;
    if constexpr (kOther) {
      if constexpr (kWhole)
        simd::load(other + row * channels, more);
      else
        simd::load_part(other + row * channels, count, more);
      value.even += more.even;
      value.odd += more.odd;
    }
    if constexpr (kGelu) gelu(value);
    if constexpr (kWhole)
      simd::store(value, x);
    else
      simd::store_part(value, count, x);
  }
}

// Works on all channels of a few rows at a time, so that memory is read in order.
template <bool kOther, bool kGelu, class T>
MEDSEG_INLINE void add_rows(T* x, const T* other, const float* bias, std::int64_t rows,
                            std::int64_t channels) {
  constexpr std::int64_t kTogether = 16;
  for (std::int64_t row = 0; row < rows; row += kTogether) {
    const auto some = std::min(kTogether, rows - row);
    T* from = x + row * channels;
    const T* with = kOther ? other + row * channels : nullptr;
    std::int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      add_lanes<true, kOther, kGelu>(from + c, kOther ? with + c : nullptr, bias + c, some,
                                     channels, kLanes);
    }
    if (c < channels) {
      add_lanes<false, kOther, kGelu>(from + c, kOther ? with + c : nullptr, bias + c, some,
                                      channels, channels - c);
    }
  }
}

MEDSEG_VECTORISED void add_gelu(BFloat16* x, const float* bias, std::int64_t rows,
                                std::int64_t channels) {
  add_rows<false, true>(x, static_cast<const BFloat16*>(nullptr), bias, rows, channels);
}
MEDSEG_VECTORISED void add_plain(BFloat16* x, const float* bias, std::int64_t rows,
                                 std::int64_t channels) {
  add_rows<false, false>(x, static_cast<const BFloat16*>(nullptr), bias, rows, channels);
}
MEDSEG_VECTORISED void add_other_gelu(BFloat16* x, const BFloat16* other, const float* bias,
                                      std::int64_t rows, std::int64_t channels) {
  add_rows<true, true>(x, other, bias, rows, channels);
}
MEDSEG_VECTORISED void add_other(BFloat16* x, const BFloat16* other, const float* bias,
                                 std::int64_t rows, std::int64_t channels) {
  add_rows<true, false>(x, other, bias, rows, channels);
}
MEDSEG_VECTORISED void add_plain(float* x, const float* bias, std::int64_t rows,
                                 std::int64_t channels) {
  add_rows<false, false>(x, static_cast<const float*>(nullptr), bias, rows, channels);
}
MEDSEG_VECTORISED void add_other(float* x, const float* other, const float* bias, std::int64_t rows,
                                 std::int64_t channels) {
  add_rows<true, false>(x, other, bias, rows, channels);
}

// Mean and variance in two passes over a row, which is in the L1 cache after the first.
template <class T>
MEDSEG_INLINE void normalise_row(const T* x, const float* weight, const float* bias, float eps,
                                 T* y, std::int64_t channels) {
  const auto whole = channels / kLanes * kLanes, rest = channels - whole;
  Float sums = {}, squares = {};
  Pair value, scale, shift;
  for (std::int64_t c = 0; c < whole; c += kLanes) {
    simd::load(x + c, value);
    sums += value.even + value.odd;
  }
  if (rest > 0) {
    simd::load_part(x + whole, rest, value);
    sums += value.even + value.odd;
  }
  float sum = 0, square = 0;
  for (int i = 0; i < kLanes / 2; ++i) sum += sums[i];
  const float mean = sum / static_cast<float>(channels);
  for (std::int64_t c = 0; c < whole; c += kLanes) {
    simd::load(x + c, value);
    const Float even = value.even - mean, odd = value.odd - mean;
    squares += even * even + odd * odd;
  }
  for (int i = 0; i < kLanes / 2; ++i) square += squares[i];
  for (std::int64_t c = whole; c < channels; ++c) {
    const float off = static_cast<float>(x[c]) - mean;
    square += off * off;
  }
  const float factor = 1.0F / std::sqrt(square / static_cast<float>(channels) + eps);
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    if (c < whole)
      simd::load(x + c, value);
    else
      simd::load_part(x + c, rest, value);
    simd::load_parted(weight + c, scale);
    simd::load_parted(bias + c, shift);
    value.even = (value.even - mean) * factor * scale.even + shift.even;
    value.odd = (value.odd - mean) * factor * scale.odd + shift.odd;
    if (c < whole)
      simd::store(value, y + c);
    else
      simd::store_part(value, rest, y + c);
  }
}

MEDSEG_VECTORISED void normalise_rows(const float* x, const float* weight, const float* bias,
                                      float eps, float* y, std::int64_t rows,
                                      std::int64_t channels) {
  for (std::int64_t i = 0; i < rows; ++i)
    normalise_row(x + i * channels, weight, bias, eps, y + i * channels, channels);
}
MEDSEG_VECTORISED void normalise_rows(const BFloat16* x, const float* weight, const float* bias,
                                      float eps, BFloat16* y, std::int64_t rows,
                                      std::int64_t channels) {
  for (std::int64_t i = 0; i < rows; ++i)
    normalise_row(x + i * channels, weight, bias, eps, y + i * channels, channels);
}

bool is_bf16(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }

void check_map(const at::Tensor& x, std::int64_t channels) {
  TORCH_CHECK(x.is_cpu() && x.is_contiguous() && (is_bf16(x) || x.scalar_type() == at::kFloat) &&
                  x.size(-1) == channels,
              "a contiguous float or bf16 map of ", channels,
              " channels on the CPU is expected, got ", x.toString(), " ", x.sizes());
}

}  // namespace

PerChannel::PerChannel(const at::Tensor& rows) {
  const at::NoGradGuard no_grad;
  const auto values = (rows.dim() == 1 ? rows.unsqueeze(0) : rows).detach().to(at::kFloat);
  channels_ = values.size(1);
  const auto blocks = (channels_ + kLanes - 1) / kLanes;
  parted_ = at::constant_pad_nd(values, {0, blocks * kLanes - channels_})
                .view({-1, blocks, kLanes / 2, 2})
                .transpose(2, 3)
                .reshape({-1, blocks * kLanes})
                .contiguous();
}

void add_bias(at::Tensor& x, const PerChannel& bias, Then then) {
  check_map(x, bias.channels());
  const auto channels = bias.channels(), rows = x.numel() / channels;
  parallel_for(0, rows, kGrain / channels + 1, [&](std::int64_t begin, std::int64_t end) {
    if (!is_bf16(x)) {
      add_plain(x.mutable_data_ptr<float>() + begin * channels, bias.data(), end - begin, channels);
    } else if (then == Then::kGelu) {
      add_gelu(x.mutable_data_ptr<BFloat16>() + begin * channels, bias.data(), end - begin,
               channels);
    } else {
      add_plain(x.mutable_data_ptr<BFloat16>() + begin * channels, bias.data(), end - begin,
                channels);
    }
  });
  if (!is_bf16(x) && then == Then::kGelu) at::gelu_(x);
}

void add_bias_and(at::Tensor& x, const PerChannel& bias, const at::Tensor& other, Then then) {
  check_map(x, bias.channels());
  check_map(other, bias.channels());
  TORCH_CHECK(x.numel() == other.numel() && x.scalar_type() == other.scalar_type(),
              "add_bias_and: ", x.sizes(), " and ", other.sizes());
  const auto channels = bias.channels(), rows = x.numel() / channels;
  parallel_for(0, rows, kGrain / channels + 1, [&](std::int64_t begin, std::int64_t end) {
    const auto from = begin * channels;
    if (!is_bf16(x)) {
      add_other(x.mutable_data_ptr<float>() + from, other.const_data_ptr<float>() + from,
                bias.data(), end - begin, channels);
      return;
    }
    const auto add =
        then == Then::kGelu ? add_other_gelu : static_cast<decltype(add_other_gelu)*>(add_other);
    add(x.mutable_data_ptr<BFloat16>() + from, other.const_data_ptr<BFloat16>() + from, bias.data(),
        end - begin, channels);
  });
  if (!is_bf16(x) && then == Then::kGelu) at::gelu_(x);
}

at::Tensor normalise(const at::Tensor& x, const PerChannel& affine, double eps) {
  check_map(x, affine.channels());
  auto y = at::empty(x.sizes(), x.options());
  const auto channels = affine.channels(), rows = x.numel() / channels;
  const float* weight = affine.data();
  const float* bias = weight + affine.stride();
  const auto small = static_cast<float>(eps);
  parallel_for(0, rows, kGrain / channels + 1, [&](std::int64_t begin, std::int64_t end) {
    const auto from = begin * channels;
    if (is_bf16(x)) {
      normalise_rows(x.const_data_ptr<BFloat16>() + from, weight, bias, small,
                     y.mutable_data_ptr<BFloat16>() + from, end - begin, channels);
    } else {
      normalise_rows(x.const_data_ptr<float>() + from, weight, bias, small,
                     y.mutable_data_ptr<float>() + from, end - begin, channels);
    }
  });
  return y;
}

}  // namespace medseg
