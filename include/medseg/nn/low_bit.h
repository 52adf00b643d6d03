/// \file
/// Frozen matrices in 8 or 4 bits a number, made wide again for each product (QLoRA, arXiv 2305.14314).
///
///     int8   a row at a time: q = round(w 127 / m), m the row's largest |w|; w ≈ q m / 127        (LLM.int8, arXiv 2208.07339)
///     nf4    blocks of 64 of the numbers row by row, the last one may be shorter: the nearest of 16 values c to w / m, m the
///            block's largest |w|; w ≈ c m. Values, borders between them and order (two codes a byte, the first above) are
///            those of bitsandbytes; m stays float32 (no double quantisation): 4.5 bits a number in all
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace medseg {

enum class LowBitType { kInt8, kNf4 };

inline constexpr std::int64_t kNf4Block = 64;
/// What the 16 codes stand for, rising from -1 to 1; code 7 is 0.
const std::array<float, 16>& nf4_values();

/// "int8", "nf4". \throws ConfigError "`where`: unknown …" with the list.
LowBitType low_bit_type_named(const std::string& where, const std::string& name);

/// Copies share their memory.
class LowBitMatrix {
 public:
  /// `weight` [out, in] of any float dtype. \throws CheckpointError on a value that is not finite.
  LowBitMatrix(const at::Tensor& weight, LowBitType type);

  /// [out, in]; the same bits as in float32 and then rounded to `dtype`.
  at::Tensor dequantised(at::ScalarType dtype) const;
  /// The same bits by ATen's operations: what runs on a GPU.
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

/// x Wᵀ + b, [..., in] -> [..., out], in the dtype of a product of x (compute_dtype): bit for bit what at::linear gives for the
/// dequantised W. For the gradient of x, the only one there is, the codes are kept and W is made wide a second time.
/// `bias` [out] may be undefined, and must not want a gradient.
at::Tensor low_bit_linear(const at::Tensor& x, const LowBitMatrix& weight, const at::Tensor& bias);

}  // namespace medseg
