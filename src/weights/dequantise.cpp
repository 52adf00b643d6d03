#include "dequantise.h"

#include <array>
#include <cstring>

#include <c10/util/Half.h>

namespace medseg {
namespace {

float half_at(const std::uint8_t* bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return static_cast<float>(c10::Half(bits, c10::Half::from_bits()));
}

std::uint32_t word_at(const std::uint8_t* bytes) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

float number(int value) { return static_cast<float>(value); }

// 32 weights: low nibbles are the first 16, high nibbles the last 16.
void decode_q4_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = number((block[2 + i] & 15) - 8) * d;
    out[i + 16] = number((block[2 + i] >> 4) - 8) * d;
  }
}

void decode_q4_1(const std::uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = number(block[4 + i] & 15) * d + m;
    out[i + 16] = number(block[4 + i] >> 4) * d + m;
  }
}

// The fifth bit of weight i is bit i of a word.
void decode_q5_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block);
  const auto high = word_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = number(((block[6 + i] & 15) | static_cast<int>((high >> i & 1) << 4)) - 16) * d;
    out[i + 16] =
        number(((block[6 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4)) - 16) * d;
  }
}

void decode_q5_1(const std::uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  const auto high = word_at(block + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = number((block[8 + i] & 15) | static_cast<int>((high >> i & 1) << 4)) * d + m;
    out[i + 16] =
        number((block[8 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4)) * d + m;
  }
}

void decode_q8_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = number(static_cast<std::int8_t>(block[2 + i])) * d;
}

// Eight 6-bit scales and minima in 12 bytes.
void scale_and_min(int index, const std::uint8_t* packed, int& scale, int& minimum) {
  if (index < 4) {
    scale = packed[index] & 63;
    minimum = packed[index + 4] & 63;
  } else {
    scale = (packed[index + 4] & 15) | ((packed[index - 4] >> 6) << 4);
    minimum = (packed[index + 4] >> 4) | ((packed[index] >> 6) << 4);
  }
}

// 256 weights in eight groups of 32; two groups share 32 bytes of nibbles. `high` has Q5_K's fifth
// bits.
void decode_k(const std::uint8_t* block, const std::uint8_t* high, const std::uint8_t* nibbles,
              float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    int scale = 0, minimum = 0;
    scale_and_min(group, block + 4, scale, minimum);
    const auto* bytes = nibbles + 32 * (group / 2);
    for (int i = 0; i < 32; ++i) {
      int q = group % 2 == 0 ? bytes[i] & 15 : bytes[i] >> 4;
      if (high != nullptr) q += (high[i] >> group & 1) << 4;
      out[32 * group + i] = d * number(scale) * number(q) - dmin * number(minimum);
    }
  }
}

void decode_q4_k(const std::uint8_t* block, float* out) {
  decode_k(block, nullptr, block + 16, out);
}
void decode_q5_k(const std::uint8_t* block, float* out) {
  decode_k(block, block + 16, block + 48, out);
}

void decode_q6_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const auto* low = block + 64 * half;
    const auto* high = block + 128 + 32 * half;
    const auto* scales = reinterpret_cast<const std::int8_t*>(block + 192 + 8 * half);
    for (int part = 0; part < 4; ++part) {
      for (int i = 0; i < 32; ++i) {
        const int byte = low[i + 32 * (part % 2)];
        const int q =
            ((part < 2 ? byte & 15 : byte >> 4) | ((high[i] >> (2 * part) & 3) << 4)) - 32;
        out[128 * half + 32 * part + i] = d * number(scales[i / 16 + 2 * part]) * number(q);
      }
    }
  }
}

constexpr std::array<BlockFormat, 16> kFormats = {{
    {0, "F32", 1, 4, nullptr},
    {1, "F16", 1, 2, nullptr},
    {2, "Q4_0", 32, 18, decode_q4_0},
    {3, "Q4_1", 32, 20, decode_q4_1},
    {6, "Q5_0", 32, 22, decode_q5_0},
    {7, "Q5_1", 32, 24, decode_q5_1},
    {8, "Q8_0", 32, 34, decode_q8_0},
    {12, "Q4_K", 256, 144, decode_q4_k},
    {13, "Q5_K", 256, 176, decode_q5_k},
    {14, "Q6_K", 256, 210, decode_q6_k},
    {24, "I8", 1, 1, nullptr},
    {25, "I16", 1, 2, nullptr},
    {26, "I32", 1, 4, nullptr},
    {27, "I64", 1, 8, nullptr},
    {28, "F64", 1, 8, nullptr},
    {30, "BF16", 1, 2, nullptr},
}};

}  // namespace

const BlockFormat* block_format(std::uint32_t type) {
  for (const auto& format : kFormats) {
    if (format.type == type) return &format;
  }
  return nullptr;
}

}  // namespace medseg
