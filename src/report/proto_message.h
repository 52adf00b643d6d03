/// \file
/// A protocol-buffer message, written field by field: what a handful of messages needs, without the
/// library, which clashes with SentencePiece's and LibTorch's copies in one process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace medseg {

/// Fields stand in the order in which they were added, zeros and empty ones too. Numbers are those
/// of the .proto file.
class ProtoMessage {
 public:
  ProtoMessage& varint(int field, std::uint64_t value);  ///< int32, int64, bool, enum
  ProtoMessage& number(int field, float value);
  ProtoMessage& number(int field, double value);
  ProtoMessage& bytes(int field, std::string_view value);  ///< string, bytes
  ProtoMessage& message(int field, const ProtoMessage& value) {
    return bytes(field, value.encoded());
  }

  const std::string& encoded() const { return encoded_; }

 private:
  void append_varint(std::uint64_t value);
  void append_key(int field, unsigned wire_type);

  std::string encoded_;
};

/// Little-endian bytes of an unsigned number.
template <class T>
std::string little_endian(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return bytes;
}

}  // namespace medseg
