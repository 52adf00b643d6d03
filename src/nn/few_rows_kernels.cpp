#include "few_rows_kernels.h"

#include <algorithm>
#include <cstring>

#include "simd.h"

namespace medseg::few_rows {
namespace {

using simd::Float;
using simd::Pair;

constexpr std::int64_t kMostParted = 512;  // numbers of a head that vectors take

// The two vectors of 32 weights in the order in which x lies beside them.
MEDSEG_INLINE void weights(const c10::BFloat16* from, Pair& to) { simd::load(from, to); }
MEDSEG_INLINE void weights(const float* from, Pair& to) { simd::load_parted(from, to); }

// One vector with the lower halves of `size` lanes of a, b, a, b …, plus one with the upper halves:
// half as many lanes of each are left.
template <std::int32_t half>
MEDSEG_INLINE void merged(const Float& a, const Float& b, Float& sum) {
  // Lanes of a whose bit `half` is clear stay; in the others stands b.
  const simd::Lane below = (simd::kLane & half) != 0;  // all ones where b goes
  const simd::Lane from = simd::kLane & ~half;         // the lower one of each pair
  const simd::Lane low = from + (below & 16), high = (from | half) + (below & 16);
  sum = __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// The sums of the lanes of eight vectors, in the order in which `folded` adds one's.
MEDSEG_INLINE void fold_eight(const Float (&x)[8], float* sums) {
  Float four[4], two[2], one;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) merged<8>(x[2 * i], x[2 * i + 1], four[i]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) merged<4>(four[2 * i], four[2 * i + 1], two[i]);
  merged<2>(two[0], two[1], one);
  one += __builtin_shuffle(one, simd::kLane ^ 1);
  // Row r = 4 i + 2 j + k stands where bit 8 is k, bit 4 is j and bit 2 is i.
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) sums[r] = one[8 * (r & 1) + 4 * ((r >> 1) & 1) + 2 * (r >> 2)];
}

template <int R>
MEDSEG_INLINE void fold_all(const Float (&even)[R], const Float (&odd)[R], float* sums) {
  if constexpr (R <= 2) {
    for (int r = 0; r < R; ++r) simd::folded<simd::Fold::kSum>(even[r] + odd[r], sums[r]);
  } else {
    Float all[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) all[r] = r < R ? even[r < R ? r : 0] + odd[r < R ? r : 0] : Float{};
    float folded[8];
    fold_eight(all, folded);
    for (int r = 0; r < R; ++r) sums[r] = folded[r];
  }
}

template <int R, class T>
MEDSEG_INLINE void dot_of(const T* w, const float* x, std::int64_t stride, std::int64_t whole,
                          std::int64_t rest, float* sums) {
  Float even[R], odd[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) even[r] = odd[r] = Float{};
  Pair weight, row;
  for (std::int64_t k = 0; k < whole; k += simd::kLanes) {
    weights(w + k, weight);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      simd::load_parted(x + r * stride + k, row);
      even[r] += weight.even * row.even;
      odd[r] += weight.odd * row.odd;
    }
  }
  if (rest > 0) {
    T padded[simd::kLanes] = {};
    std::memcpy(static_cast<void*>(padded), w + whole, static_cast<std::size_t>(rest) * sizeof(T));
    weights(padded, weight);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      simd::load_parted(x + r * stride + whole, row);
      even[r] += weight.even * row.even;
      odd[r] += weight.odd * row.odd;
    }
  }
  fold_all<R>(even, odd, sums);
}

template <class T>
MEDSEG_INLINE void dot_any(const T* w, const float* x, std::int64_t stride, std::int64_t rows,
                           std::int64_t whole, std::int64_t rest, float* sums) {
  switch (rows) {
    case 1:
      return dot_of<1>(w, x, stride, whole, rest, sums);
    case 2:
      return dot_of<2>(w, x, stride, whole, rest, sums);
    case 3:
      return dot_of<3>(w, x, stride, whole, rest, sums);
    case 4:
      return dot_of<4>(w, x, stride, whole, rest, sums);
    case 5:
      return dot_of<5>(w, x, stride, whole, rest, sums);
    case 6:
      return dot_of<6>(w, x, stride, whole, rest, sums);
    case 7:
      return dot_of<7>(w, x, stride, whole, rest, sums);
    default:
      return dot_of<8>(w, x, stride, whole, rest, sums);
  }
}

MEDSEG_INLINE float one(const c10::BFloat16* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}
MEDSEG_INLINE float one(const float* from) { return *from; }

// Columns of `C` vector pairs: their sums stay in registers, one for even and one for odd values.
template <int C, class T>
MEDSEG_INLINE void mix_columns(const float* shares, const T* values, std::int64_t count,
                               std::int64_t width, float* out) {
  Pair sums[2 * C] = {};
  const auto add = [&](std::int64_t i, Pair * to) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int c = 0; c < C; ++c) {
      Pair value;
      simd::load(values + i * width + c * simd::kLanes, value);
      to[c].even += value.even * shares[i];
      to[c].odd += value.odd * shares[i];
    }
  };
  std::int64_t i = 0;
  for (; i + 1 < count; i += 2) {
    add(i, sums);
    add(i + 1, sums + C);
  }
  if (i < count) add(i, sums);
#pragma GCC unroll 2
  for (int c = 0; c < C; ++c) {
    sums[c].even += sums[C + c].even;
    sums[c].odd += sums[C + c].odd;
    simd::store(sums[c], out + c * simd::kLanes);
  }
}

// out = Σ shares[i] values[i].
template <class T>
MEDSEG_INLINE void mix(const float* shares, const T* values, std::int64_t count, std::int64_t width,
                       float* out) {
  std::int64_t column = 0;
  for (; column + 2 * simd::kLanes <= width; column += 2 * simd::kLanes)
    mix_columns<2>(shares, values + column, count, width, out + column);
  for (; column + simd::kLanes <= width; column += simd::kLanes)
    mix_columns<1>(shares, values + column, count, width, out + column);
  for (; column < width; ++column) {
    out[column] = 0;
    for (std::int64_t i = 0; i < count; ++i)
      out[column] += shares[i] * one(values + i * width + column);
  }
}

// The sums of the lanes of q · keys for eight keys, whole vectors alone. q is parted.
template <class T>
MEDSEG_INLINE void score_eight(const float* q, const T* keys, std::int64_t whole,
                               std::int64_t width, float* sums) {
  Float even[8] = {}, odd[8] = {};
  Pair key, query;
  for (std::int64_t i = 0; i < whole; i += simd::kLanes) {
    simd::load_parted(q + i, query);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      simd::load(keys + j * width + i, key);
      even[j] += key.even * query.even;
      odd[j] += key.odd * query.odd;
    }
  }
  fold_all<8>(even, odd, sums);
}

template <class T>
MEDSEG_INLINE void score_one(const float* q, const T* key, std::int64_t whole, float& sum) {
  Float even = {}, odd = {};
  Pair k, query;
  for (std::int64_t i = 0; i < whole; i += simd::kLanes) {
    simd::load_parted(q + i, query);
    simd::load(key + i, k);
    even += k.even * query.even;
    odd += k.odd * query.odd;
  }
  simd::folded<simd::Fold::kSum>(even + odd, sum);
}

template <class T>
MEDSEG_INLINE void scores_of(const float* q, const T* keys, std::int64_t count, std::int64_t width,
                             float scale, float* scores) {
  const auto whole = std::min(width / simd::kLanes * simd::kLanes, kMostParted);
  float parted[kMostParted];
  for (std::int64_t i = 0; i < whole; i += simd::kLanes) {
    Pair query;
    simd::load(q + i, query);
    simd::store_parted(query, parted + i);
  }
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) score_eight(parted, keys + i * width, whole, width, scores + i);
  for (; i < count; ++i) score_one(parted, keys + i * width, whole, scores[i]);
  for (i = 0; i < count; ++i) {
    for (auto k = whole; k < width; ++k) scores[i] += q[k] * one(keys + i * width + k);
    scores[i] *= scale;
  }
}

}  // namespace

MEDSEG_VECTORISED void dot(const c10::BFloat16* w, const float* x, std::int64_t stride,
                           std::int64_t rows, std::int64_t whole, std::int64_t rest, float* sums) {
  dot_any(w, x, stride, rows, whole, rest, sums);
}
MEDSEG_VECTORISED void dot(const float* w, const float* x, std::int64_t stride, std::int64_t rows,
                           std::int64_t whole, std::int64_t rest, float* sums) {
  dot_any(w, x, stride, rows, whole, rest, sums);
}
MEDSEG_VECTORISED void score_keys(const float* q, const c10::BFloat16* keys, std::int64_t count,
                                  std::int64_t width, float scale, float* scores) {
  scores_of(q, keys, count, width, scale, scores);
}
MEDSEG_VECTORISED void score_keys(const float* q, const float* keys, std::int64_t count,
                                  std::int64_t width, float scale, float* scores) {
  scores_of(q, keys, count, width, scale, scores);
}
MEDSEG_VECTORISED void mix_values(const float* shares, const c10::BFloat16* values,
                                  std::int64_t count, std::int64_t width, float* out) {
  mix(shares, values, count, width, out);
}
MEDSEG_VECTORISED void mix_values(const float* shares, const float* values, std::int64_t count,
                                  std::int64_t width, float* out) {
  mix(shares, values, count, width, out);
}

}  // namespace medseg::few_rows
