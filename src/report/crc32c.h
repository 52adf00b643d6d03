/// \file
/// CRC-32C (Castagnoli), the check sum of TFRecord files.
#pragma once

#include <cstdint>
#include <string_view>

namespace medseg {

/// Of "123456789" it is 0xe3069283 (RFC 3720, B.4).
std::uint32_t crc32c(std::string_view bytes);

/// As TFRecord stores it: rotated and shifted, so that a sum over bytes that hold sums stays a sum.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace medseg
