/// \file
/// Numbers at places in a file that may lie: every access is checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "medseg/base/error.h"

namespace medseg {

class Bytes {
 public:
  Bytes(std::span<const std::uint8_t> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  std::size_t size() const { return bytes_.size(); }
  const std::string& file() const { return file_; }

  std::uint8_t byte(std::size_t at) const {
    if (at >= bytes_.size()) throw DataError(file_ + ": truncated picture");
    return bytes_[at];
  }
  std::uint16_t big16(std::size_t at) const {
    return static_cast<std::uint16_t>(byte(at) << 8 | byte(at + 1));
  }
  std::uint16_t little16(std::size_t at) const {
    return static_cast<std::uint16_t>(byte(at + 1) << 8 | byte(at));
  }
  std::uint32_t big32(std::size_t at) const {
    return std::uint32_t{big16(at)} << 16 | big16(at + 2);
  }
  std::uint32_t little32(std::size_t at) const {
    return std::uint32_t{little16(at + 2)} << 16 | little16(at);
  }
  std::string text(std::size_t at, std::size_t length) const {
    std::string result;
    for (std::size_t i = 0; i < length; ++i) result += static_cast<char>(byte(at + i));
    return result;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::string file_;
};

}  // namespace medseg
