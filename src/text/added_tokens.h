/// \file
/// Tokens outside the model's vocabulary. They are found inside a text before anything else is
/// done.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "unicode.h"

namespace medseg {

struct AddedToken {
  std::string content;
  std::string shown = {};  ///< what decoding writes, if it is not the content
  std::int64_t id = 0;
  bool special = false;
  bool normalized = false;  ///< matched in the normalised text
  bool lstrip = false;      ///< removes white space on its left
  bool rstrip = false;
  bool single_word = false;  ///< matches only where no letter or digit is next to it
};

/// A section of text; `token` is null where there is no added token.
struct TextCut {
  std::size_t begin = 0;
  std::size_t end = 0;
  const AddedToken* token = nullptr;
};

/// Finds the leftmost match, and of those the longest.
class TokenMatcher {
 public:
  /// `token` must outlive the matcher; `content` is the text to find.
  void add(std::string content, const AddedToken* token);

  /// All sections of `text` in order, without empty ones. `is_space` decides what lstrip and rstrip
  /// remove.
  std::vector<TextCut> cut(std::string_view text,
                           bool (*is_space)(char32_t) = is_white_space) const;

 private:
  struct Pattern {
    std::string content;
    const AddedToken* token;
  };
  const Pattern* match_at(std::string_view text, std::size_t at) const;

  std::array<std::vector<Pattern>, 256> by_first_byte_;  // the longest first
};

}  // namespace medseg
