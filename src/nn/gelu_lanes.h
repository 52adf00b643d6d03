/// \file
/// GELU of 32 numbers in the registers, exact enough for bf16.
#pragma once

#include "simd.h"

namespace medseg {

// Φ(x) - 1/2 = x · P(x²) on [-4, 4], fitted so that the error of x·Φ(x) is even; beyond counts as 4.
MEDSEG_INLINE void gelu(simd::Float& x) {
  constexpr float kEnd = 4.0F;
  simd::Float clamped = x < -kEnd ? simd::Float{} - kEnd : x;
  clamped = clamped > kEnd ? simd::Float{} + kEnd : clamped;
  const simd::Float square = clamped * clamped;
  simd::Float p = square * -1.3012440014392723e-09F + 1.0419288543062066e-07F;
  p = p * square - 3.657052729977295e-06F;
  p = p * square + 7.485399692086503e-05F;
  p = p * square - 0.0010064828675240278F;
  p = p * square + 0.009505368769168854F;
  p = p * square - 0.06588778644800186F;
  p = p * square + 0.3986733555793762F;
  x = x * (clamped * p + 0.5F);
}
MEDSEG_INLINE void gelu(simd::Pair& x) {
  gelu(x.even);
  gelu(x.odd);
}

}  // namespace medseg
