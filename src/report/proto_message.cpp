#include "proto_message.h"

#include <bit>

namespace medseg {
namespace {

enum WireType : unsigned { kVarint = 0, kEightBytes = 1, kLength = 2, kFourBytes = 5 };

}  // namespace

void ProtoMessage::append_varint(std::uint64_t value) {
  while (value >= 0x80) {
    encoded_ += static_cast<char>(static_cast<unsigned char>(value | 0x80));
    value >>= 7;
  }
  encoded_ += static_cast<char>(value);
}

void ProtoMessage::append_key(int field, unsigned wire_type) {
  append_varint(static_cast<std::uint64_t>(field) << 3 | wire_type);
}

ProtoMessage& ProtoMessage::varint(int field, std::uint64_t value) {
  append_key(field, kVarint);
  append_varint(value);
  return *this;
}

ProtoMessage& ProtoMessage::number(int field, float value) {
  append_key(field, kFourBytes);
  encoded_ += little_endian(std::bit_cast<std::uint32_t>(value));
  return *this;
}

ProtoMessage& ProtoMessage::number(int field, double value) {
  append_key(field, kEightBytes);
  encoded_ += little_endian(std::bit_cast<std::uint64_t>(value));
  return *this;
}

ProtoMessage& ProtoMessage::bytes(int field, std::string_view value) {
  append_key(field, kLength);
  append_varint(value.size());
  encoded_ += value;
  return *this;
}

}  // namespace medseg
