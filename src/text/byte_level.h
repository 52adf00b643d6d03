/// \file
/// GPT-2's byte alphabet: every byte has a printable character, so any text is a word over 256
/// letters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace medseg {

std::string to_byte_letters(std::string_view bytes);
/// Nothing if a character of `letters` is not one of the 256.
std::optional<std::string> from_byte_letters(std::string_view letters);

/// GPT-2's pattern for splitting words, which `ByteLevel` uses when `use_regex` is true.
inline constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace medseg
