#include "added_tokens.h"

#include <algorithm>

namespace medseg {

void TokenMatcher::add(std::string content, const AddedToken* token) {
  if (content.empty()) return;
  auto& patterns = by_first_byte_[static_cast<unsigned char>(content.front())];
  const auto position = std::find_if(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
    return pattern.content.size() < content.size();
  });
  patterns.insert(position, {std::move(content), token});
}

const TokenMatcher::Pattern* TokenMatcher::match_at(std::string_view text, std::size_t at) const {
  const auto rest = text.substr(at);
  for (const auto& pattern : by_first_byte_[static_cast<unsigned char>(rest.front())]) {
    if (rest.starts_with(pattern.content)) return &pattern;
  }
  return nullptr;
}

std::vector<TextCut> TokenMatcher::cut(std::string_view text, bool (*is_space)(char32_t)) const {
  std::vector<TextCut> cuts;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Pattern* found = match_at(text, at);
    if (found == nullptr) {
      ++at;
      continue;
    }
    const AddedToken& token = *found->token;
    std::size_t begin = at;
    std::size_t end = at + found->content.size();
    at = end;
    if (token.single_word) {
      const bool left = begin > 0 && is_word(code_point_before(text, begin).value);
      const bool right = end < text.size() && is_word(code_point_at(text, end).value);
      if (left || right) continue;
    }
    if (token.lstrip) {
      while (begin > done) {
        const auto before = code_point_before(text, begin);
        if (!is_space(before.value)) break;
        begin -= before.bytes;
      }
    }
    if (token.rstrip) {
      while (end < text.size()) {
        const auto after = code_point_at(text, end);
        if (!is_space(after.value)) break;
        end += after.bytes;
      }
    }
    if (done < begin) cuts.push_back({done, begin, nullptr});
    cuts.push_back({begin, end, &token});
    done = end;  // removed white space can be an added token itself, as in the reference
  }
  if (done < text.size()) cuts.push_back({done, text.size(), nullptr});
  return cuts;
}

}  // namespace medseg
