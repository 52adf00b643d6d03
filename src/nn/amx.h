/// \file
/// The matrix unit of a Xeon (AMX, since Sapphire Rapids): products of 16 × 32 by 32 × 16 bf16
/// numbers with sums in fp32, in eight tiles of 16 rows of 64 bytes.
///
/// The second factor lies in pairs: row p of its tile holds the numbers 2p and 2p + 1 of each
/// column beside each other.
#pragma once

#include <atomic>
#include <cstdint>

#include "simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define MEDSEG_HAS_AMX 1
#define MEDSEG_AMX \
  __attribute__((target("arch=x86-64-v4,amx-tile,amx-bf16"), optimize("fp-contract=fast")))
#define MEDSEG_AMX_INLINE MEDSEG_AMX MEDSEG_INLINE
#else
#define MEDSEG_HAS_AMX 0
#endif

namespace medseg::amx {

constexpr std::int64_t kRows = 16;      // of a tile
constexpr std::int64_t kRowBytes = 64;  // 32 bf16, 16 pairs of bf16 or 16 fp32 numbers

/// Whether this machine has AMX and this process may use it.
bool usable();

/// Gives all eight tiles their full size on the calling thread, which may run no other AMX code
/// meanwhile.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

/// Forces pending writes to memory: the compiler does not know that the tile instructions read it.
MEDSEG_INLINE void written() { std::atomic_signal_fence(std::memory_order_seq_cst); }

/// Swaps the blocks of `size` words beside the diagonal.
template <std::int32_t size>
MEDSEG_INLINE void exchange(simd::Word* rows) {
  constexpr std::int32_t kOfOther = kRows - size;  // the second row's lanes count from 16
  const simd::Lane second = ((simd::kLane & size) != 0) & kOfOther;
  const simd::Lane upper = simd::kLane + second, lower = upper + size;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    if ((i & size) != 0) continue;
    const simd::Word above = rows[i], below = rows[i + size];
    rows[i] = __builtin_shuffle(above, below, upper);
    rows[i + size] = __builtin_shuffle(above, below, lower);
  }
}

/// The words of a whole tile, rows for columns: from pairs of a row to the second factor.
MEDSEG_INLINE void transpose(simd::Word* rows) {
  exchange<8>(rows);
  exchange<4>(rows);
  exchange<2>(rows);
  exchange<1>(rows);
}

}  // namespace medseg::amx
