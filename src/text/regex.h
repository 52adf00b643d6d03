/// \file
/// Unicode regular expressions in tokenizer files, with the character classes of the `tokenizers`
/// package.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace medseg {

/// Half-open byte range.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Compiled once; may be used from any thread.
class Regex {
 public:
  /// \throws CheckpointError at `where` if the pattern does not compile.
  Regex(const std::string& pattern, std::string where);

  /// Non-empty matches from left to right; `text` is valid UTF-8.
  /// \throws CheckpointError if a match takes more steps than any real text needs.
  std::vector<ByteRange> find_all(std::string_view text) const;

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
  std::string where_;
};

}  // namespace medseg
