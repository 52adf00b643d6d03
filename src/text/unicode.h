/// \file
/// UTF-8 and the character classes that tokenizers need.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace medseg {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
};

/// The character that starts at byte `at` of valid UTF-8.
CodePoint code_point_at(std::string_view text, std::size_t at);
/// The character that ends before byte `end` (> 0) of valid UTF-8.
CodePoint code_point_before(std::string_view text, std::size_t end);
void append_utf8(std::string& text, char32_t value);

/// Replaces every maximal part that is not UTF-8 by one U+FFFD, as Rust's from_utf8_lossy and
/// Python's errors="replace" do.
std::string valid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);

bool is_white_space(char32_t c);   ///< Unicode's White_Space
bool is_python_space(char32_t c);  ///< str.isspace: White_Space and U+001C-U+001F
bool is_numeric(char32_t c);       ///< categories Nd, Nl, No
bool is_word(char32_t c);          ///< `\w` of Rust's regex: alphabetic, marks, Nd, Pc, joiners

/// NFC, NFD, NFKC or NFKD of valid UTF-8. \throws CheckFailed on another form.
std::string normalize(std::string_view text, std::string_view form);
/// Maps each character by itself, as Rust does (no final sigma).
std::string lowercase(std::string_view text);

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  ///< U+FFFD
/// U+2581, which stands for a blank in SentencePiece's pieces.
inline constexpr std::string_view kBlockSpace = "\xE2\x96\x81";

void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace medseg
