/// \file
/// Frozen matrices with 8 or 4 bits per number, dequantised for each product (QLoRA, arXiv
/// 2305.14314).
///
/// - int8 (LLM.int8, arXiv 2208.07339), per row: q = round(w 127 / m) with m the row's largest |w|;
///   w ≈ q m / 127.
/// - nf4, per block of 64 numbers in row order (the last may be shorter): the nearest of 16 values
/// c
///   to w / m with m the block's largest |w|; w ≈ c m. The values, the borders between them and the
///   order (two codes per byte, the first in the upper half) are those of bitsandbytes. m stays
///   float32 (no double quantisation), which makes 4.5 bits per number.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "medseg/base/choice.h"

namespace medseg {

enum class LowBitType { kInt8, kNf4 };
template <>
struct Choice<LowBitType> {
  static constexpr ChoiceNames<LowBitType, 2> names = {
      {{LowBitType::kInt8, "int8"}, {LowBitType::kNf4, "nf4"}}};
};

inline constexpr std::int64_t kNf4Block = 64;
/// The values of the 16 codes, rising from -1 to 1; code 7 is 0.
const std::array<float, 16>& nf4_values();

/// \throws ConfigError at `where` on an unknown name, with the known ones.
LowBitType low_bit_type_named(const std::string& where, const std::string& name);

/// Copies share memory.
class LowBitMatrix {
 public:
  /// `weight` [out, in] of any float dtype. \throws CheckpointError on a value that is not finite.
  LowBitMatrix(const at::Tensor& weight, LowBitType type);

  /// [out, in]: computed in float32, then rounded to `dtype`.
  at::Tensor dequantised(at::ScalarType dtype) const;
  /// The same bits by ATen's operators, which also run on a GPU.
  at::Tensor dequantised_by_aten(at::ScalarType dtype) const;
  std::int64_t bytes() const;
  LowBitType type() const { return type_; }
  void to(at::Device device);

  const at::Tensor& codes() const { return codes_; }  ///< int8 [out, in], or uint8 [⌈out in / 2⌉]
  const at::Tensor& scales() const { return scales_; }  ///< float32: m / 127 [out], or m [blocks]

 private:
  LowBitType type_;
  std::int64_t rows_, columns_;
  at::Tensor codes_, scales_;
};

/// x Wᵀ + b, [..., in] -> [..., out], in the dtype of a product of x (compute_dtype): bit for bit
/// what at::linear gives for the dequantised W. Only x gets a gradient; for it, W is dequantised a
/// second time, so that only the codes are kept. `bias` [out] may be undefined and must not require
/// a gradient.
at::Tensor low_bit_linear(const at::Tensor& x, const LowBitMatrix& weight, const at::Tensor& bias);

}  // namespace medseg
