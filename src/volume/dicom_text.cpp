#include "dicom_text.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "medseg/base/hash.h"

namespace medseg {

std::string dicom_number(double value) {
  if (value == 0) return "0";  // also -0
  char text[40];
  for (int digits = 15; digits > 0; --digits) {
    const int length = std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (length <= 16) return text;
  }
  return "0";
}

std::string dicom_text(const std::string& text, std::size_t longest) {
  std::string plain;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // the rest of a UTF-8 character
    plain += byte < 32 || byte > 126 || c == '\\' ? '?' : c;
  }
  if (plain.size() > longest) plain.resize(longest);
  while (!plain.empty() && plain.back() == ' ') plain.pop_back();
  return plain;
}

std::string dicom_uid(const std::string& seed) {
  const std::string hex = sha256(seed);
  // 128 bits of the hash, with the marks of a UUID of version 8, in decimal.
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < 4; ++i)
    words[i] = static_cast<std::uint32_t>(std::stoul(hex.substr(8 * i, 8), nullptr, 16));
  words[1] = (words[1] & 0xffff0fffU) | 0x8000U;
  words[2] = (words[2] & 0x3fffffffU) | 0x80000000U;
  std::string digits;
  while (words != std::array<std::uint32_t, 4>{}) {
    std::uint64_t rest = 0;
    for (auto& word : words) {
      const std::uint64_t value = rest << 32 | word;
      word = static_cast<std::uint32_t>(value / 10);
      rest = value % 10;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + rest));
  }
  return "2.25." + digits;
}

}  // namespace medseg
