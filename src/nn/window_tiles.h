/// \file
/// Attention of one head in one window on AMX.
#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

namespace medseg::tiles {

constexpr std::int64_t kDepth = 32;    // of a head: a row of the first factor
constexpr std::int64_t kKeys = 32;     // number of keys is rounded up to a multiple of this
constexpr std::int64_t kQueries = 16;  // rows of a tile

constexpr std::int64_t whole(std::int64_t count, std::int64_t unit) {
  return (count + unit - 1) / unit * unit;
}

/// One head of one window; strides count numbers from cell to cell.
struct Head {
  const c10::BFloat16 *query, *key, *value;
  std::int64_t stride;
  const float* bias;  ///< PairBias::parted() of the head
  c10::BFloat16* out;
  std::int64_t out_stride;
  std::int64_t cells;
};

/// Bytes of working memory of `attend`, 64-aligned.
constexpr std::int64_t room(std::int64_t cells) {
  const auto keys = whole(cells, kKeys);
  return 64 * (keys + keys)             // keys and values
         + 64 * whole(cells, kQueries)  // queries
         + kQueries * keys * (4 + 2)    // scores and weights
         + kQueries * kDepth * 4;       // what is mixed
}

/// softmax(q kᵀ / √32 + bias) v; weights are rounded to bf16, their sum is not.
/// \pre An amx::Session lives on the calling thread.
void attend(const Head& head, void* room);

}  // namespace medseg::tiles
