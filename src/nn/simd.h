/// \file
/// Operations on 32 numbers at a time in the compiler's own vector types: one source, compiled for
/// each instruction set.
///
/// Even and odd numbers are in separate vectors. Of two neighbouring bf16 in a 32-bit word, the odd
/// one is the word without its lower half and the even one is the word shifted up, so reading and
/// writing bf16 costs almost nothing.
#pragma once

#include <cstdint>
#include <cstring>

#include <c10/util/BFloat16.h>

/// Compiles a function for AVX-512, AVX2 and plain x86-64; the loader chooses. Functions that it
/// calls must be MEDSEG_INLINE.
#if defined(__x86_64__)
#define MEDSEG_VECTORISED                                                      \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
                 optimize("fp-contract=fast")))
#else
#define MEDSEG_VECTORISED __attribute__((optimize("fp-contract=fast")))
#endif
#define MEDSEG_INLINE [[gnu::always_inline]] inline

namespace medseg::simd {

constexpr std::int64_t kLanes = 32;
using Float = float __attribute__((vector_size(64)));
using Word = std::uint32_t __attribute__((vector_size(64)));

struct Pair {
  Float even, odd;
};

MEDSEG_INLINE void load(const c10::BFloat16* from, Pair& to) {
  Word words;
  std::memcpy(&words, from, sizeof words);
  const Word even = words << 16, odd = words & 0xffff0000U;
  std::memcpy(&to.even, &even, sizeof even);
  std::memcpy(&to.odd, &odd, sizeof odd);
}

MEDSEG_INLINE void store(const Pair& from, c10::BFloat16* to) {  // to nearest, ties away from zero
  Word even, odd;
  std::memcpy(&even, &from.even, sizeof even);
  std::memcpy(&odd, &from.odd, sizeof odd);
  const Word words = ((even + 0x8000U) >> 16) | ((odd + 0x8000U) & 0xffff0000U);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}

MEDSEG_INLINE void load(const float* from, Pair& to) {
  using Index = std::int32_t __attribute__((vector_size(64)));
  constexpr Index kEven = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  Float low, high;
  std::memcpy(&low, from, sizeof low);
  std::memcpy(&high, from + 16, sizeof high);
  to.even = __builtin_shuffle(low, high, kEven);
  to.odd = __builtin_shuffle(low, high, kEven + 1);
}

MEDSEG_INLINE void store(const Pair& from, float* to) {
  using Index = std::int32_t __attribute__((vector_size(64)));
  constexpr Index kLow = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  const Float low = __builtin_shuffle(from.even, from.odd, kLow);
  const Float high = __builtin_shuffle(from.even, from.odd, kLow + 8);
  std::memcpy(to, &low, sizeof low);
  std::memcpy(to + 16, &high, sizeof high);
}

/// Loads numbers in the order that `parted` of pixelwise.h makes.
// One combined vector would go through memory.
MEDSEG_INLINE void load_parted(const float* from, Pair& to) {
  std::memcpy(&to.even, from, sizeof to.even);
  std::memcpy(&to.odd, from + kLanes / 2, sizeof to.odd);
}
MEDSEG_INLINE void store_parted(const Pair& from, float* to) {
  std::memcpy(to, &from.even, sizeof from.even);
  std::memcpy(to + kLanes / 2, &from.odd, sizeof from.odd);
}

using Lane = std::int32_t __attribute__((vector_size(64)));
constexpr Lane kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

enum class Fold { kSum, kLargest };

/// The sum or the maximum of all lanes: four times one half with the other half.
template <Fold fold>
MEDSEG_INLINE void folded(const Float& lanes, float& result) {
  Float x = lanes;
#pragma GCC unroll 4
  for (std::int32_t half = 8; half > 0; half /= 2) {
    const Float y = __builtin_shuffle(x, kLane ^ half);
    x = fold == Fold::kSum ? x + y : x > y ? x : y;
  }
  result = x[0];
}

/// Only the first `count` < kLanes numbers: the others are read as zero and not written.
template <class T>
MEDSEG_INLINE void load_part(const T* from, std::int64_t count, Pair& to) {
  T padded[kLanes] = {};
  std::memcpy(static_cast<void*>(padded), from, static_cast<std::size_t>(count) * sizeof(T));
  load(padded, to);
}
template <class T>
MEDSEG_INLINE void store_part(const Pair& from, std::int64_t count, T* to) {
  T padded[kLanes];
  store(from, padded);
  std::memcpy(static_cast<void*>(to), padded, static_cast<std::size_t>(count) * sizeof(T));
}

}  // namespace medseg::simd
