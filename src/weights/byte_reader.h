/// \file
/// Little-endian reads that never leave the bytes of a file.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

/// a * b. \throws CheckpointError at `where` if it does not fit 63 bits.
inline std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, const std::string& where) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > (std::uint64_t{1} << 62)) {
    throw CheckpointError(where, "a size overflows");
  }
  return product;
}

inline constexpr std::size_t kMostDimensions = 64;  // the limit of torch's operators

/// Product of a tensor's sizes. Even if one size is 0, the product of the others must fit 63 bits,
/// because the strides must.
inline std::uint64_t element_count(std::span<const std::uint64_t> sizes, const std::string& where) {
  if (sizes.size() > kMostDimensions)
    throw CheckpointError(
        where, str_cat(sizes.size(), " dimensions, at most ", kMostDimensions, " are known"));
  std::uint64_t extent = 1;
  bool empty = false;
  for (const auto size : sizes) {
    empty = empty || size == 0;
    extent = checked_product(extent, size == 0 ? 1 : size, where);
  }
  return empty ? 0 : extent;
}

/// A cursor over bytes. Every read is checked. `where` names the file in errors.
class ByteReader {
 public:
  ByteReader(std::span<const std::uint8_t> bytes, std::string where, std::uint64_t position = 0)
      : bytes_(bytes), where_(std::move(where)) {
    seek(position);
  }

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return bytes_.size() - position_; }
  bool at_end() const { return position_ == bytes_.size(); }
  const std::string& where() const { return where_; }

  void seek(std::uint64_t position) {
    if (position > bytes_.size())
      fail(str_cat("offset ", position, " lies beyond its ", bytes_.size(), " bytes"));
    position_ = position;
  }

  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > left()) {
      fail(str_cat("truncated at byte ", position_, ": ", count, " bytes expected, ", left(),
                   " left"));
    }
    const auto piece = bytes_.subspan(position_, count);
    position_ += count;
    return piece;
  }

  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string text(std::uint64_t count) {
    const auto piece = take(count);
    return {reinterpret_cast<const char*>(piece.data()), piece.size()};
  }

  [[noreturn]] void fail(const std::string& what) const { throw CheckpointError(where_, what); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::string where_;
  std::uint64_t position_ = 0;
};

}  // namespace medseg
