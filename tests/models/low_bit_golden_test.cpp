// Codes, scales and values of matrices in few bits against those of bitsandbytes.
#include <ATen/ATen.h>

#include "golden.h"
#include "medseg/nn/low_bit.h"

namespace medseg {
namespace {

const char* const kMatrices[] = {"plain", "odd", "outliers", "zeros", "ramp"};

TEST(LowBitGolden, Nf4IsThatOfBitsandbytes) {
  const auto file = golden::open("low_bit/matrices.safetensors");
  EXPECT_TRUE(at::equal(file->load("code"), at::tensor(at::ArrayRef<float>(nf4_values()))));
  for (const std::string name : kMatrices) {
    const LowBitMatrix matrix(file->load(name + ".weight"), LowBitType::kNf4);
    const auto wide = file->load(name + ".nf4_wide");
    EXPECT_TRUE(at::equal(matrix.scales(), file->load(name + ".absmax"))) << name;
    EXPECT_TRUE(at::equal(matrix.dequantised(at::kFloat), wide)) << name;
    const auto codes = file->load(name + ".nf4");
    if (name == "zeros" || name == "odd") continue;  // a code of nothing, or of zeros, may be any
    EXPECT_TRUE(at::equal(matrix.codes(), codes)) << name;
  }
}

TEST(LowBitGolden, Int8IsThatOfBitsandbytes) {
  const auto file = golden::open("low_bit/matrices.safetensors");
  for (const std::string name : kMatrices) {
    const LowBitMatrix matrix(file->load(name + ".weight"), LowBitType::kInt8);
    EXPECT_TRUE(at::equal(matrix.codes(), file->load(name + ".int8"))) << name;
    EXPECT_TRUE(at::allclose(matrix.scales() * 127.0, file->load(name + ".row_absmax"), 1e-6, 0))
        << name;
    EXPECT_TRUE(golden::close(matrix.dequantised(at::kFloat), file->load(name + ".int8_wide")))
        << name;
  }
}

}  // namespace
}  // namespace medseg
