#include "byte_level.h"

#include <array>

#include "unicode.h"

namespace medseg {
namespace {

struct Alphabet {
  std::array<std::string, 256> letter;  // of a byte, as UTF-8
  std::array<int, 512> byte;            // of a code point, or -1

  Alphabet() {
    byte.fill(-1);
    char32_t next = 256;  // for bytes without a printable character, in order
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      append_utf8(letter[b], c);
      byte[c] = static_cast<int>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet value;
  return value;
}

}  // namespace

std::string to_byte_letters(std::string_view bytes) {
  const auto& letter = alphabet().letter;
  std::string letters;
  letters.reserve(bytes.size() * 2);
  for (const char c : bytes) letters += letter[static_cast<unsigned char>(c)];
  return letters;
}

std::optional<std::string> from_byte_letters(std::string_view letters) {
  const auto& byte = alphabet().byte;
  std::string bytes;
  for (std::size_t at = 0; at < letters.size();) {
    const auto point = code_point_at(letters, at);
    if (point.value >= byte.size() || byte[point.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte[point.value]));
    at += point.bytes;
  }
  return bytes;
}

}  // namespace medseg
