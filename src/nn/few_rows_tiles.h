// Sums of products of up to 16 rows with 16 rows of a bf16 matrix, on AMX.
//
// The matrix is the first factor, read where it lies. A float32 number x is the sum of three bf16,
// which AMX multiplies one after the other: nothing of x is rounded.
#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

#include "amx.h"

namespace medseg::few_rows {

constexpr std::int64_t kTileWidth = 32;  // numbers of a row in a tile
constexpr std::int64_t kParts = 3;       // bf16 numbers whose sum is a float32

/// One pair of neighbouring numbers of each of 16 rows.
struct alignas(amx::kRowBytes) Pairs {
  std::uint32_t of_row[amx::kRows];
};

/// Lines of Pairs of 16 rows: a tile for each part of each 32 numbers.
constexpr std::int64_t lines(std::int64_t width) {
  return (width + kTileWidth - 1) / kTileWidth * kParts * amx::kRows;
}

/// Lays out up to 16 rows, filled up with zeros to whole tiles.
void lay_tiles(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t width,
               Pairs* to);

/// sums[n · 16 + r] = Σ w[n · width + k] x[r][k] for 16 rows of w.
/// \pre An amx::Session lives on the calling thread.
void dot_tiles(const c10::BFloat16* w, std::int64_t width, const Pairs* x, float* sums);

}  // namespace medseg::few_rows
