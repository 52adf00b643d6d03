#include "window_tiles.h"

#include <cmath>
#include <cstring>

#include "amx.h"
#include "simd.h"

#if MEDSEG_HAS_AMX

namespace medseg::tiles {
namespace {

using c10::BFloat16;
using simd::Float;
using simd::Lane;
using simd::Pair;
using simd::Word;

constexpr std::int32_t kWords = 16;  // per row of a tile: pairs of bf16, or fp32 numbers
constexpr float kLog2OfE = 1.44269504F;

MEDSEG_INLINE void load(const void* from, Word& to) { std::memcpy(&to, from, sizeof to); }
MEDSEG_INLINE void store(const Word& from, void* to) { std::memcpy(to, &from, sizeof from); }

/// 2^x with a relative error of at most 4e-6. (GCC 12 warns about its own unmasked intrinsics.)
MEDSEG_AMX_INLINE void power_of_two(Float& x) {
  constexpr __mmask16 kAll = 0xffff;
  const Float whole = _mm512_maskz_roundscale_ps(kAll, x, _MM_FROUND_TO_NEAREST_INT);
  const Float rest = x - whole;
  Float p = rest * 9.58328880e-3F + 5.59066832e-2F;
  p = p * rest + 2.40240902e-1F;
  p = p * rest + 6.93124115e-1F;
  p = p * rest + 1.0F;
  x = _mm512_maskz_scalef_ps(kAll, p, whole);
}

/// Replaces a row of products by weights 2^(product · scale + bias − largest); returns their sum.
MEDSEG_AMX_INLINE float weigh(float* scores, const float* bias, float scale, std::int64_t keys,
                              BFloat16* weights) {
  Float top = {};
  top -= 3e38F;
  for (std::int64_t j = 0; j < keys; j += kKeys) {
    Pair score, shift;
    simd::load_parted(scores + j, score);
    simd::load_parted(bias + j, shift);
    score.even = score.even * scale + shift.even;
    score.odd = score.odd * scale + shift.odd;
    simd::store_parted(score, scores + j);
    top = top > score.even ? top : score.even;
    top = top > score.odd ? top : score.odd;
  }
  float largest, sum;
  simd::folded<simd::Fold::kLargest>(top, largest);
  Float sums = {};
  for (std::int64_t j = 0; j < keys; j += kKeys) {
    Pair score;
    simd::load_parted(scores + j, score);
    score.even -= largest;
    score.odd -= largest;
    power_of_two(score.even);
    power_of_two(score.odd);
    sums += score.even + score.odd;
    simd::store(score, weights + j);
  }
  simd::folded<simd::Fold::kSum>(sums, sum);
  return sum;
}

/// Keys as the second factor of q kᵀ, tile after tile: row p of a tile holds the numbers 2p and 2p
/// + 1 of 16 keys. Of each 32 keys, the even ones make one tile and the odd ones the next.
MEDSEG_INLINE void lay_keys(const Head& head, std::int64_t keys, std::uint32_t* tiles) {
  for (std::int64_t tile = 0; tile < keys / kWords; ++tile) {
    Word rows[kWords];
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) {
      const auto key = tile / 2 * kKeys + 2 * i + tile % 2;
      rows[i] = Word{};
      if (key < head.cells) load(head.key + key * head.stride, rows[i]);
    }
    amx::transpose(rows);
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) store(rows[i], tiles + (tile * kWords + i) * kWords);
  }
}

/// Values as the second factor of the weighted sum: row p of a tile holds 16 numbers of the cells
/// 2p and 2p + 1. The even numbers make one tile and the odd ones the next.
MEDSEG_INLINE void lay_values(const Head& head, std::int64_t keys, std::uint32_t* tiles) {
  for (std::int64_t j = 0; j < keys; j += 2) {
    Word first = {}, second = {};
    if (j < head.cells) load(head.value + j * head.stride, first);
    if (j + 1 < head.cells) load(head.value + (j + 1) * head.stride, second);
    auto* row = tiles + (j / kKeys * 2 * kWords + j % kKeys / 2) * kWords;
    store((first & 0xffffU) | (second << 16), row);
    store((first >> 16) | (second & 0xffff0000U), row + kWords * kWords);
  }
}

}  // namespace

// Tiles: 0 and 1 sums of even and odd columns, 2 the first factor, 3 and 4 the second.
MEDSEG_AMX void attend(const Head& head, void* room) {
  const auto keys = whole(head.cells, kKeys);
  auto* key_tiles = static_cast<std::uint32_t*>(room);
  auto* value_tiles = key_tiles + keys * kWords;
  auto* queries = value_tiles + keys * kWords;  // [cells, 32]
  auto* scores = reinterpret_cast<float*>(queries + whole(head.cells, kQueries) * kWords);
  auto* mixed = scores + kQueries * keys;  // [2, 16, 16]
  auto* weights = reinterpret_cast<BFloat16*>(mixed + kQueries * kDepth);
  lay_keys(head, keys, key_tiles);
  lay_values(head, keys, value_tiles);
  for (std::int64_t i = 0; i < whole(head.cells, kQueries); ++i) {
    Word row = {};
    if (i < head.cells) load(head.query + i * head.stride, row);
    store(row, queries + i * kWords);
  }
  const float scale = kLog2OfE / std::sqrt(static_cast<float>(kDepth));
  for (std::int64_t first = 0; first < head.cells; first += kQueries) {
    amx::written();
    _tile_loadd(2, queries + first * kWords, amx::kRowBytes);
    for (std::int64_t j = 0; j < keys; j += kKeys) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_loadd(3, key_tiles + j * kWords, amx::kRowBytes);
      _tile_loadd(4, key_tiles + (j + kWords) * kWords, amx::kRowBytes);
      _tile_dpbf16ps(0, 2, 3);
      _tile_dpbf16ps(1, 2, 4);
      _tile_stored(0, scores + j, keys * 4);
      _tile_stored(1, scores + j + kWords, keys * 4);
    }
    const auto rows = head.cells - first < kQueries ? head.cells - first : kQueries;
    float sums[kQueries];
    for (std::int64_t r = 0; r < rows; ++r) {
      sums[r] =
          weigh(scores + r * keys, head.bias + (first + r) * keys, scale, keys, weights + r * keys);
    }
    amx::written();
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t j = 0; j < keys; j += kKeys) {
      _tile_loadd(2, weights + j, keys * 2);
      _tile_loadd(3, value_tiles + j * kWords, amx::kRowBytes);
      _tile_loadd(4, value_tiles + (j + kWords) * kWords, amx::kRowBytes);
      _tile_dpbf16ps(0, 2, 3);
      _tile_dpbf16ps(1, 2, 4);
    }
    _tile_stored(0, mixed, amx::kRowBytes);
    _tile_stored(1, mixed + kQueries * kWords, amx::kRowBytes);
    for (std::int64_t r = 0; r < rows; ++r) {
      Pair row;
      std::memcpy(&row.even, mixed + r * kWords, sizeof row.even);
      std::memcpy(&row.odd, mixed + (kQueries + r) * kWords, sizeof row.odd);
      row.even /= sums[r];
      row.odd /= sums[r];
      simd::store(row, head.out + (first + r) * head.out_stride);
    }
  }
}

}  // namespace medseg::tiles

#else  // a processor or compiler without AMX

namespace medseg::tiles {
void attend(const Head&, void*) {}
}  // namespace medseg::tiles

#endif
