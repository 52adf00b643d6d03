/// \file
/// Tokens beside the model's vocabulary that are found inside text before anything else happens to it.
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
  std::string shown = {};  ///< what decoding writes, if not the content
  std::int64_t id = 0;
  bool special = false;
  bool normalized = false;  ///< looked for in normalised text
  bool lstrip = false;      ///< takes white space on its left away
  bool rstrip = false;
  bool single_word = false;  ///< only where no letter or digit touches it
};

/// A stretch of text; `token` is null where no added token stands.
struct TextCut {
  std::size_t begin = 0;
  std::size_t end = 0;
  const AddedToken* token = nullptr;
};

/// Leftmost, then longest match.
class TokenMatcher {
 public:
  /// `token` must outlive the matcher; `content` is what is looked for.
  void add(std::string content, const AddedToken* token);

  /// All of `text` in order, without empty stretches. `is_space` says what lstrip and rstrip take.
  std::vector<TextCut> cut(std::string_view text,
                           bool (*is_space)(char32_t) = is_white_space) const;

 private:
  struct Pattern {
    std::string content;
    const AddedToken* token;
  };
  const Pattern* match_at(std::string_view text, std::size_t at) const;

  std::array<std::vector<Pattern>, 256> by_first_byte_;  // each longest first
};

}  // namespace medseg
