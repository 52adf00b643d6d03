/// \file
/// Composing and splitting short strings.
#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace medseg {

/// `str_cat("step ", 3, ": ", 0.5)` is "step 3: 0.5": every argument is printed with operator<<.
template <class... Args>
std::string str_cat(const Args&... args) {
  std::ostringstream stream;
  (stream << ... << args);
  return std::move(stream).str();
}

/// `fixed(0.12345, 3)` is "0.123".
std::string fixed(double value, int digits);

/// `join({"a", "b"}, ", ")` is "a, b".
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The first `count` parts with commas, and ", …" after them if there are more.
std::string join_first(const std::vector<std::string>& parts, std::size_t count);

/// Pieces between separators; an empty text has one empty piece.
std::vector<std::string> split(std::string_view text, char separator);

/// Without white space at both ends.
std::string trim(std::string_view text);

/// The entry of `known` with the smallest edit distance to `word`; "" when `known` is empty.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// For the end of a message about an unknown `word`: ` (did you mean "lr"?); known are a b c`.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace medseg
