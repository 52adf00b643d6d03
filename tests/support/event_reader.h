/// \file
/// Event files read back by other means than they were written: a bitwise CRC, a generic protobuf
/// decoder, and the rule by which TensorBoard drops what a later session makes void.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "medseg/base/file.h"

namespace medseg {

inline std::uint32_t bitwise_crc32c(const std::string& bytes) {
  std::uint32_t value = 0xffffffff;
  for (const char c : bytes) {
    value ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (0x82f63b78 & (0U - (value & 1)));
  }
  return value ^ 0xffffffff;
}

inline std::uint32_t unmasked(std::uint32_t stored) {
  const std::uint32_t rotated = stored - 0xa282ead8;
  return (rotated >> 17) | (rotated << 15);
}

template <class T>
T plain(const std::string& bytes, std::size_t at) {
  T value{};
  if (at + sizeof value > bytes.size()) throw std::runtime_error("cut off");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Field number -> what stood there, in order: numbers as 64 bits, everything else as bytes.
struct ProtoFields {
  std::map<int, std::vector<std::uint64_t>> numbers;
  std::map<int, std::vector<std::string>> bytes;

  explicit ProtoFields(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const auto key = varint(text, at);
      const int field = static_cast<int>(key >> 3);
      if ((key & 7) == 0) {
        numbers[field].push_back(varint(text, at));
      } else if ((key & 7) == 1) {
        numbers[field].push_back(plain<std::uint64_t>(text, at));
        at += 8;
      } else if ((key & 7) == 5) {
        numbers[field].push_back(plain<std::uint32_t>(text, at));
        at += 4;
      } else if ((key & 7) == 2) {
        const auto size = varint(text, at);
        if (size > text.size() - at) throw std::runtime_error("field beyond its message");
        bytes[field].push_back(text.substr(at, size));
        at += size;
      } else {
        throw std::runtime_error("unknown wire type");
      }
    }
  }

  bool has(int field) const { return numbers.contains(field) || bytes.contains(field); }
  std::uint64_t number(int field) const { return numbers.at(field).at(0); }
  double real(int field) const { return std::bit_cast<double>(number(field)); }
  float real32(int field) const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(number(field)));
  }
  const std::string& text(int field) const { return bytes.at(field).at(0); }
  ProtoFields message(int field) const { return ProtoFields(text(field)); }
  std::vector<ProtoFields> messages(int field) const {
    std::vector<ProtoFields> all;
    if (bytes.contains(field))
      for (const auto& one : bytes.at(field)) all.emplace_back(one);
    return all;
  }

 private:
  static std::uint64_t varint(const std::string& text, std::size_t& at) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(text.at(at++));
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("endless varint");
  }
};

/// Every record of a file, its sums checked.
inline std::vector<ProtoFields> read_events(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::vector<ProtoFields> events;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto size = plain<std::uint64_t>(bytes, at);
    if (unmasked(plain<std::uint32_t>(bytes, at + 8)) != bitwise_crc32c(bytes.substr(at, 8)))
      throw std::runtime_error("sum of the length");
    if (size > bytes.size() - at - 16) throw std::runtime_error("record beyond its file");
    const auto data = bytes.substr(at + 12, size);
    if (unmasked(plain<std::uint32_t>(bytes, at + 12 + size)) != bitwise_crc32c(data))
      throw std::runtime_error("sum of the record");
    events.emplace_back(data);
    at += size + 16;
  }
  return events;
}

/// tag -> step -> value, of all files of a folder in the order of their names.
inline std::map<std::string, std::map<std::int64_t, float>> read_scalars(
    const std::filesystem::path& folder) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().find("tfevents") != std::string::npos)
      files.insert(entry.path());
  }
  std::map<std::string, std::map<std::int64_t, float>> scalars;
  for (const auto& file : files) {
    for (const auto& event : read_events(file)) {
      const auto step = static_cast<std::int64_t>(event.number(2));
      if (event.has(7) && event.message(7).number(1) == 1) {  // a session log: START
        for (auto& [tag, values] : scalars) values.erase(values.lower_bound(step), values.end());
      }
      if (!event.has(5)) continue;
      for (const auto& value : event.message(5).messages(1)) {
        if (value.has(2)) scalars[value.text(1)][step] = value.real32(2);
      }
    }
  }
  return scalars;
}

}  // namespace medseg
