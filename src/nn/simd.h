/// \file
/// Sixteen floats at a time, in the compiler's own vector types: one source, compiled for each instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include <c10/util/BFloat16.h>

/// The function is compiled for AVX-512, AVX2 and plain x86-64; the loader picks. What it calls must be MEDSEG_INLINE.
#if defined(__x86_64__)
#define MEDSEG_VECTORISED                                                      \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
                 optimize("fp-contract=fast")))
#else
#define MEDSEG_VECTORISED __attribute__((optimize("fp-contract=fast")))
#endif
#define MEDSEG_INLINE [[gnu::always_inline]] inline

namespace medseg::simd {

constexpr std::int64_t kLanes = 16;
using Float = float __attribute__((vector_size(64)));
using Word = std::uint32_t __attribute__((vector_size(64)));
using Half = std::uint16_t __attribute__((vector_size(32)));

MEDSEG_INLINE void widen(const Half& half, Float& to) {
  const Word word = __builtin_convertvector(half, Word) << 16;
  std::memcpy(&to, &word, sizeof to);
}

MEDSEG_INLINE void narrow(const Float& from, Half& half) {  // to nearest, ties to even
  Word word;
  std::memcpy(&word, &from, sizeof word);
  half = __builtin_convertvector((word + 0x7fffu + ((word >> 16) & 1u)) >> 16, Half);
}

MEDSEG_INLINE void load(const float* from, Float& to) { std::memcpy(&to, from, sizeof to); }
MEDSEG_INLINE void load(const c10::BFloat16* from, Float& to) {
  Half half;
  std::memcpy(&half, from, sizeof half);
  widen(half, to);
}
MEDSEG_INLINE void store(const Float& from, float* to) { std::memcpy(to, &from, sizeof from); }
MEDSEG_INLINE void store(const Float& from, c10::BFloat16* to) {
  Half half;
  narrow(from, half);
  std::memcpy(static_cast<void*>(to), &half, sizeof half);
}

/// The first `count` < kLanes values; the other lanes are zero, and are not written.
template <class T>
MEDSEG_INLINE void load_part(const T* from, std::int64_t count, Float& to) {
  T padded[kLanes] = {};
  std::memcpy(static_cast<void*>(padded), from, static_cast<std::size_t>(count) * sizeof(T));
  load(padded, to);
}
template <class T>
MEDSEG_INLINE void store_part(const Float& from, std::int64_t count, T* to) {
  T padded[kLanes];
  store(from, padded);
  std::memcpy(static_cast<void*>(to), padded, static_cast<std::size_t>(count) * sizeof(T));
}

}  // namespace medseg::simd
