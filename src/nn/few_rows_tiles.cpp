#include "few_rows_tiles.h"

#include <cstring>

namespace medseg::few_rows {

#if MEDSEG_HAS_AMX
namespace {

// Cuts the upper half of every number off and packs it with its neighbour's; the rest stays.
MEDSEG_INLINE void take_part(simd::Pair& rest, simd::Word& packed) {
  simd::Word even, odd;
  std::memcpy(&even, &rest.even, sizeof even);
  std::memcpy(&odd, &rest.odd, sizeof odd);
  even &= 0xffff0000U;
  odd &= 0xffff0000U;
  simd::Pair upper;
  std::memcpy(&upper.even, &even, sizeof even);
  std::memcpy(&upper.odd, &odd, sizeof odd);
  rest.even -= upper.even;
  rest.odd -= upper.odd;
  packed = (even >> 16) | odd;
}

// Tiles: 0 to 2 the sums of each part, 3 the matrix, 4 to 6 the parts of x.
MEDSEG_AMX_INLINE void multiply(const c10::BFloat16* w, std::int64_t row_bytes, const Pairs* x) {
  _tile_loadd(3, w, row_bytes);
  _tile_loadd(4, x, amx::kRowBytes);
  _tile_dpbf16ps(0, 3, 4);
  _tile_loadd(5, x + amx::kRows, amx::kRowBytes);
  _tile_dpbf16ps(1, 3, 5);
  _tile_loadd(6, x + 2 * amx::kRows, amx::kRowBytes);
  _tile_dpbf16ps(2, 3, 6);
}

}  // namespace

MEDSEG_AMX void lay_tiles(const float* x, std::int64_t stride, std::int64_t rows,
                          std::int64_t width, Pairs* to) {
  for (std::int64_t k = 0; k < width; k += kTileWidth) {
    simd::Word words[kParts][amx::kRows] = {};
    for (std::int64_t r = 0; r < rows; ++r) {
      simd::Pair rest;
      simd::load(x + r * stride + k, rest);
      for (auto& part : words) take_part(rest, part[r]);
    }
    for (auto& part : words) {
      amx::transpose(part);
      std::memcpy(to, part, sizeof part);
      to += amx::kRows;
    }
  }
}

MEDSEG_AMX void dot_tiles(const c10::BFloat16* w, std::int64_t width, const Pairs* x, float* sums) {
  const auto whole = width / kTileWidth * kTileWidth, rest = width - whole;
  amx::written();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  for (std::int64_t k = 0; k < whole; k += kTileWidth) {
    for (std::int64_t n = 0; n < amx::kRows; ++n)
      _mm_prefetch(reinterpret_cast<const char*>(w + (amx::kRows + n) * width + k), _MM_HINT_T0);
    multiply(w + k, width * 2, x);
    x += kParts * amx::kRows;
  }
  if (rest > 0) {
    alignas(64) std::uint16_t padded[amx::kRows][kTileWidth] = {};
    for (std::int64_t n = 0; n < amx::kRows; ++n)
      std::memcpy(padded[n], w + n * width + whole, static_cast<std::size_t>(rest) * 2);
    amx::written();
    multiply(reinterpret_cast<const c10::BFloat16*>(padded), kTileWidth * 2, x);
  }
  alignas(64) float parts[kParts][amx::kRows * amx::kRows];
  _tile_stored(0, parts[0], amx::kRowBytes);
  _tile_stored(1, parts[1], amx::kRowBytes);
  _tile_stored(2, parts[2], amx::kRowBytes);
  amx::written();
  for (std::int64_t i = 0; i < amx::kRows * amx::kRows; ++i)
    sums[i] = parts[0][i] + (parts[1][i] + parts[2][i]);
}

#else
void lay_tiles(const float*, std::int64_t, std::int64_t, std::int64_t, Pairs*) {}
void dot_tiles(const c10::BFloat16*, std::int64_t, const Pairs*, float*) {}
#endif

}  // namespace medseg::few_rows
