// Dequantises runs of numbers, 32 at a time.
#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

namespace medseg::low_bit {

/// `count` numbers code · scale.
void widen_int8(const std::int8_t* codes, float scale, std::int64_t count, float* to);
void widen_int8(const std::int8_t* codes, float scale, std::int64_t count, c10::BFloat16* to);

/// Whole blocks of 64 numbers, each with its scale; `values` are those of the 16 codes.
void widen_nf4(const std::uint8_t* codes, const float* scales, const float* values,
               std::int64_t blocks, float* to);
void widen_nf4(const std::uint8_t* codes, const float* scales, const float* values,
               std::int64_t blocks, c10::BFloat16* to);

}  // namespace medseg::low_bit
