#include "low_bit_kernels.h"

#include <cstring>

#include "simd.h"

namespace medseg::low_bit {
namespace {

using simd::Float;
using simd::Pair;
using simd::Word;
using Integer = std::int32_t __attribute__((vector_size(64)));
using Bytes = std::uint8_t __attribute__((vector_size(16)));
using Halves = std::uint16_t __attribute__((vector_size(32)));

MEDSEG_INLINE void put(const Pair& from, float* to) { simd::store(from, to); }

// Ties to even, as torch rounds, so that a saved weight equals the one that was computed with.
MEDSEG_INLINE void put(const Pair& from, c10::BFloat16* to) {
  Word even, odd;
  std::memcpy(&even, &from.even, sizeof even);
  std::memcpy(&odd, &from.odd, sizeof odd);
  even += 0x7fffU + ((even >> 16) & 1U);
  odd += 0x7fffU + ((odd >> 16) & 1U);
  const Word words = (even >> 16) | (odd & 0xffff0000U);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}

template <class T>
MEDSEG_INLINE void int8_lanes(const std::int8_t* codes, float scale, T* to) {
  Halves two;  // neighbours: even below, odd above
  std::memcpy(&two, codes, sizeof two);
  const auto words = __builtin_convertvector(two, Integer);
  Pair wide;
  wide.even = __builtin_convertvector((words << 24) >> 24, Float) * scale;
  wide.odd = __builtin_convertvector((words << 16) >> 24, Float) * scale;
  put(wide, to);
}

template <class T>
MEDSEG_INLINE void int8_run(const std::int8_t* codes, float scale, std::int64_t count, T* to) {
  std::int64_t i = 0;
  for (; i + simd::kLanes <= count; i += simd::kLanes) int8_lanes(codes + i, scale, to + i);
  if (i == count) return;
  std::int8_t padded[simd::kLanes] = {};
  T wide[simd::kLanes];
  std::memcpy(padded, codes + i, static_cast<std::size_t>(count - i));
  int8_lanes(padded, scale, wide);
  std::memcpy(static_cast<void*>(to + i), wide, static_cast<std::size_t>(count - i) * sizeof(T));
}

template <class T>
MEDSEG_INLINE void nf4_blocks(const std::uint8_t* codes, const float* scales, const float* values,
                              std::int64_t blocks, T* to) {
  Float table;
  std::memcpy(&table, values, sizeof table);
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (int half = 0; half < 2; ++half) {
      Bytes bytes;
      std::memcpy(&bytes, codes + block * 32 + half * 16, sizeof bytes);
      const auto words = __builtin_convertvector(bytes, Integer);
      Pair wide;
      wide.even = __builtin_shuffle(table, words >> 4) * scales[block];
      wide.odd = __builtin_shuffle(table, words & 15) * scales[block];
      put(wide, to + block * 64 + half * 32);
    }
  }
}

}  // namespace

MEDSEG_VECTORISED void widen_int8(const std::int8_t* codes, float scale, std::int64_t count,
                                  float* to) {
  int8_run(codes, scale, count, to);
}
MEDSEG_VECTORISED void widen_int8(const std::int8_t* codes, float scale, std::int64_t count,
                                  c10::BFloat16* to) {
  int8_run(codes, scale, count, to);
}
MEDSEG_VECTORISED void widen_nf4(const std::uint8_t* codes, const float* scales,
                                 const float* values, std::int64_t blocks, float* to) {
  nf4_blocks(codes, scales, values, blocks, to);
}
MEDSEG_VECTORISED void widen_nf4(const std::uint8_t* codes, const float* scales,
                                 const float* values, std::int64_t blocks, c10::BFloat16* to) {
  nf4_blocks(codes, scales, values, blocks, to);
}

}  // namespace medseg::low_bit
