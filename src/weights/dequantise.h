/// \file
/// GGUF's block formats to fp32 (layouts of ggml, as documented by the `gguf` package).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace medseg {

struct BlockFormat {
  std::uint32_t type;                                     ///< ggml type id
  std::string_view name;                                  ///< "Q4_1"
  std::uint64_t elements;                                 ///< per block
  std::uint64_t bytes;                                    ///< per block
  void (*decode)(const std::uint8_t* block, float* out);  ///< null for plain types
};

/// nullptr for a type that is not supported.
const BlockFormat* block_format(std::uint32_t type);

}  // namespace medseg
