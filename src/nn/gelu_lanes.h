/// \file
/// GELU of 32 numbers in registers, precise enough for bf16.
#pragma once

#include "simd.h"

namespace medseg {

// Φ(x) - 1/2 = x · P(x²) on [-4, 4], fitted for an even error of x·Φ(x). Beyond ±4, x counts as ±4.
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

// The derivative Φ(x) + x φ(x), likewise as 1/2 + x · Q(x²), within 3e-4.
MEDSEG_INLINE void gelu_slope(simd::Float& x) {
  constexpr float kEnd = 4.0F;
  simd::Float clamped = x < -kEnd ? simd::Float{} - kEnd : x;
  clamped = clamped > kEnd ? simd::Float{} + kEnd : clamped;
  const simd::Float square = clamped * clamped;
  simd::Float q = square * -1.641935831742103e-08F + 1.2137811609136406e-06F;
  q = q * square - 3.845898754661903e-05F;
  q = q * square + 0.0006876385305076838F;
  q = q * square - 0.007687398232519627F;
  q = q * square + 0.055914685130119324F;
  q = q * square - 0.26202964782714844F;
  q = q * square + 0.7967215776443481F;
  x = clamped * q + 0.5F;
}
MEDSEG_INLINE void gelu_slope(simd::Pair& x) {
  gelu_slope(x.even);
  gelu_slope(x.odd);
}

}  // namespace medseg
