#include "row_kernels.h"

#pragma GCC optimize("O3", "no-trapping-math")  // needed to vectorise; no sum is reordered
#if defined(__x86_64__)
#define MEDSEG_FOR_ALL_CPUS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MEDSEG_FOR_ALL_CPUS
#endif

namespace medseg::rows {
namespace {

// Like std::bit_cast, but certainly inlined into every clone.
template <class To, class From>
inline __attribute__((always_inline)) constexpr To bits_as(From value) {
  return __builtin_bit_cast(To, value);
}

// e^-|x| from a polynomial (relative error below 2e-7; at least e^-87), which vectorises, unlike
// std::exp. To keep it so, |x| is bounded by comparing its bits as integers, without a branch for
// NaN.
inline __attribute__((always_inline)) float exp_of_minus_abs(float x) {
  constexpr auto kBound = bits_as<std::int32_t>(87.0F);
  const std::int32_t bits = bits_as<std::int32_t>(x) & 0x7fffffff;
  const float t = -bits_as<float>(bits < kBound ? bits : kBound);
  const auto n = static_cast<std::int32_t>(t * 1.44269504F + 128.5F) - 128;  // round(t / ln 2)
  const auto nf = static_cast<float>(n);
  const float r = (t - nf * 0.693359375F) + nf * 2.12194440e-4F;  // t − n ln 2, ln 2 in two parts
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  return (p * r * r + r + 1.0F) * bits_as<float>((n + 127) << 23);
}

inline __attribute__((always_inline)) float sigmoid(float x) {
  const float e = exp_of_minus_abs(x);
  return (x < 0.0F ? e : 1.0F) / (1.0F + e);
}

// Partial sums and maxima side by side, so that they fit vectors.
constexpr std::int64_t kLanes = 16;

inline __attribute__((always_inline)) float dot_of(const float* a, const float* b, std::int64_t n) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  }
  float sum = 0.0F;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

inline __attribute__((always_inline)) float sum_of(const float* x, std::int64_t n) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
  }
  float sum = 0.0F;
  for (; i < n; ++i) sum += x[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

inline __attribute__((always_inline)) float maximum_of(const float* x, std::int64_t n) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = x[0];
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] = lanes[j] > x[i + j] ? lanes[j] : x[i + j];
  }
  for (; i < n; ++i) lanes[0] = lanes[0] > x[i] ? lanes[0] : x[i];
  for (const float lane : lanes) lanes[0] = lanes[0] > lane ? lanes[0] : lane;
  return lanes[0];
}

/// y = exp((x − top) · scale) for x ≤ top; x and y may be the same. Returns the sum.
inline __attribute__((always_inline)) float exponentials_of(const float* x, float scale, float top,
                                                            float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = exp_of_minus_abs((x[i] - top) * scale);
  return sum_of(y, n);
}

inline __attribute__((always_inline)) void scale_by(float* x, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace

MEDSEG_FOR_ALL_CPUS void widen(const std::uint16_t* __restrict bf16, float* __restrict out,
                               std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = bits_as<float>(static_cast<std::uint32_t>(bf16[i]) << 16);
  }
}

MEDSEG_FOR_ALL_CPUS void narrow(const float* __restrict in, std::uint16_t* __restrict bf16,
                                std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto bits = bits_as<std::uint32_t>(in[i]);
    const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
    bf16[i] = static_cast<std::uint16_t>(is_nan ? 0x7fc0U : rounded);
  }
}

MEDSEG_FOR_ALL_CPUS float dot(const float* a, const float* b, std::int64_t n) {
  return dot_of(a, b, n);
}

MEDSEG_FOR_ALL_CPUS void rms_forward(const float* __restrict x, const float* __restrict w, float r,
                                     float* __restrict y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * r * w[i];
}

MEDSEG_FOR_ALL_CPUS void rms_backward(const float* __restrict x, const float* __restrict w,
                                      const float* __restrict dy, float r, float c,
                                      float* __restrict dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = r * (w[i] * dy[i] - x[i] * c);
}

MEDSEG_FOR_ALL_CPUS void rotate(const float* __restrict x, const float* __restrict cosine,
                                const float* __restrict sine, float direction, float* __restrict y,
                                std::int64_t half) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float s = sine[i] * direction;
    y[i] = x[i] * cosine[i] - x[i + half] * s;
    y[i + half] = x[i + half] * cosine[i] + x[i] * s;
  }
}

MEDSEG_FOR_ALL_CPUS void gated_silu(const float* __restrict g, const float* __restrict u,
                                    float* __restrict y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = g[i] * sigmoid(g[i]) * u[i];
}

MEDSEG_FOR_ALL_CPUS void gated_silu_backward(const float* __restrict g, const float* __restrict u,
                                             const float* __restrict dy, float* __restrict dg,
                                             float* __restrict du, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float s = sigmoid(g[i]);
    dg[i] = dy[i] * u[i] * s * (1.0F + g[i] * (1.0F - s));
    du[i] = dy[i] * g[i] * s;
  }
}

MEDSEG_FOR_ALL_CPUS void drop(const float* __restrict x, std::uint32_t key, std::uint32_t threshold,
                              float scale, float* __restrict y, std::int64_t n) {
  const auto count = static_cast<std::uint32_t>(n);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t h = key + i;  // then the integer hash "lowbias32"
    h = (h ^ (h >> 16)) * 0x7feb352dU;
    h = (h ^ (h >> 15)) * 0x846ca68bU;
    h ^= h >> 16;
    const float factor = h >= threshold ? scale : 0.0F;
    y[i] = x[i] * factor;
  }
}

MEDSEG_FOR_ALL_CPUS float log_sum_of_exponentials(const float* __restrict x, float* __restrict y,
                                                  std::int64_t n) {
  const float top = maximum_of(x, n);
  const float total = exponentials_of(x, 1.0F, top, y, n);
  scale_by(y, 1.0F / total, n);
  return top + __builtin_logf(total) + 0.0F * sum_of(x, n);
}

MEDSEG_FOR_ALL_CPUS void softmax_backward(float* s, float* dp, float scale, std::int64_t n) {
  const float total = exponentials_of(s, scale, maximum_of(s, n), s, n);
  scale_by(s, 1.0F / total, n);
  const float mean = dot_of(s, dp, n);
  for (std::int64_t i = 0; i < n; ++i) dp[i] = scale * s[i] * (dp[i] - mean);
}

MEDSEG_FOR_ALL_CPUS void scale(float* x, float factor, std::int64_t n) { scale_by(x, factor, n); }

}  // namespace medseg::rows
