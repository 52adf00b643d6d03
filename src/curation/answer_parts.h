/// \file
/// An answer taken apart: its phrases, and which words belong to which mask.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medseg {

struct AnswerPhrase {
  std::string text;       ///< between `<p>` and `</p>`, trimmed
  std::size_t begin = 0;  ///< of `<p>` in the answer
  std::size_t end = 0;    ///< one past `[SEG]`
};

struct AnswerParts {
  std::string answer;
  std::vector<AnswerPhrase> phrases;  ///< one a `[SEG]`
  std::string fault;                  ///< "" where the markup is sound

  /// The words about mask k: from the end of the mask before (or the start) to the next phrase.
  /// Words before the first phrase belong to the first.
  std::string said_of(std::size_t k) const;
};

/// Every `[SEG]` must follow its own `<p> … </p>`, with nothing but blanks between.
AnswerParts parts_of(const std::string& answer);

bool has_markup(std::string_view text);

/// Without `<p>`, `</p>`, `[SEG]`; blanks are made single.
std::string plain_text(std::string_view text);

/// The answer says that something is not there.
bool denies(std::string_view answer);

/// A measure with a number in words, "twelve millimetres"; "" if there is none.
std::string spelled_measure(std::string_view text);

/// Words that no reading of a picture holds: "as an AI", "consult your doctor"; "" if none.
std::string strange_voice(std::string_view text);

}  // namespace medseg
