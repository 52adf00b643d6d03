#include "tensor_name.h"

#include <cstdint>

#include "medseg/base/str.h"

namespace medseg {
namespace {

// Bytes of the first character of `text`; 0 if it is not UTF-8 (RFC 3629: shortest form, no
// surrogates).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool outside = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || outside ? 0 : length;
}

}  // namespace

std::string name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kLongestName)
    return str_cat("is ", name.size(), " bytes long, at most ", kLongestName, " are read");
  while (!name.empty()) {
    const auto length = character_length(name);
    if (length == 0) return "is not UTF-8";
    const auto first = static_cast<std::uint8_t>(name.front());
    if (first < 0x20 || first == 0x7f) return "holds a control character";
    name.remove_prefix(length);
  }
  return "";
}

}  // namespace medseg
