// How texts become words: one way for each score, as its original has it.
#include <algorithm>
#include <array>
#include <cctype>

#include "medseg/base/str.h"
#include "medseg/metrics/text_scores.h"

namespace medseg {
namespace {

bool is_space(char c) { return std::string_view(" \t\n\r\f\v").find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    const auto start = i;
    while (i < text.size() && !is_space(text[i])) ++i;
    if (i > start) words.emplace_back(text.substr(start, i - start));
    while (i < text.size() && is_space(text[i])) ++i;
  }
  return words;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The punctuation that 13a sets apart everywhere.
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

// 13a's rules for full stops, commas and hyphens, each a pass as the original's expressions.
std::string spaced_after_non_digit(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (is_digit(text[i]) || i + 1 == text.size()) continue;
    if (text[i + 1] != '.' && text[i + 1] != ',') continue;
    out += {' ', text[++i], ' '};
  }
  return out;
}

std::string spaced_before_non_digit(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool point = text[i] == '.' || text[i] == ',';
    if (!point || i + 1 == text.size() || is_digit(text[i + 1])) {
      out += text[i];
      continue;
    }
    out += {' ', text[i], ' ', text[i + 1]};
    ++i;
  }
  return out;
}

std::string spaced_hyphens(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (is_digit(text[i]) && i + 1 < text.size() && text[i + 1] == '-')
      out += {' ', text[++i], ' '};
  }
  return out;
}

// "don't" is "do" and "n't"; "lung's" is "lung" and "'s".
void split_clitic(const std::string& word, std::vector<std::string>& words) {
  for (const char* clitic : {"n't", "'s", "'re", "'ve", "'ll", "'d", "'m"}) {
    const std::string_view end = clitic;
    if (word.size() <= end.size() || !word.ends_with(end)) continue;
    split_clitic(word.substr(0, word.size() - end.size()), words);
    words.emplace_back(end);
    return;
  }
  words.push_back(word);
}

bool is_dropped(const std::string& word) {
  static const std::vector<std::string> kDropped = {".",  "?",   "!", ",",  ":",  ";", "-",
                                                    "--", "...", "'", "''", "\"", "`", "``"};
  return std::find(kDropped.begin(), kDropped.end(), word) != kDropped.end();
}

std::string_view bracket_word(char c) {
  constexpr std::string_view kBrackets = "()[]{}";
  constexpr std::array<std::string_view, 6> kWords = {" -lrb- ", " -rrb- ", " -lsb- ",
                                                      " -rsb- ", " -lcb- ", " -rcb- "};
  const auto found = kBrackets.find(c);
  return found == std::string_view::npos ? std::string_view() : kWords[found];
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string kept;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto end = text[i] == '<' ? text.find('>', i) : std::string_view::npos;
    const bool tag = end != std::string_view::npos &&
                     text.substr(i, end - i).find('\n') == std::string_view::npos;
    if (tag) {
      i = end;
    } else {
      kept += text[i];
    }
  }
  replace_all(kept, "[SEG]", "");
  std::string line = join(words_of(kept), " ");
  const auto first = line.find_first_not_of('\'');
  if (first == std::string::npos) return "";
  return trim(line.substr(first, line.find_last_not_of('\'') - first + 1));
}

std::vector<std::string> bleu_tokens(std::string_view text) {
  std::string line(text);
  replace_all(line, "<skipped>", "");
  replace_all(line, "-\n", "");
  replace_all(line, "\n", " ");
  replace_all(line, "&quot;", "\"");
  replace_all(line, "&amp;", "&");
  replace_all(line, "&lt;", "<");
  replace_all(line, "&gt;", ">");
  std::string apart;
  for (const char c : " " + line + " ") {
    if (stands_alone(c)) {
      apart += {' ', c, ' '};
    } else {
      apart += c;
    }
  }
  return words_of(spaced_hyphens(spaced_before_non_digit(spaced_after_non_digit(apart))));
}

std::vector<std::string> caption_words(std::string_view text) {
  std::string apart;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = lower(text[i]);
    const char before = i > 0 ? text[i - 1] : ' ', after = i + 1 < text.size() ? text[i + 1] : ' ';
    const auto bracket = bracket_word(c);
    const bool between_digits = is_digit(before) && is_digit(after);
    if (!bracket.empty()) {
      apart += bracket;
    } else if (text.substr(i, 3) == "...") {
      apart += " ... ";
      i += 2;
    } else if (text.substr(i, 2) == "--") {
      apart += " -- ";
      ++i;
    } else if (std::string_view(";?!%\"").find(c) != std::string_view::npos ||
               ((c == ',' || c == ':') && !between_digits) || (c == '.' && is_space(after))) {
      apart += {' ', c, ' '};
    } else {
      apart += c;
    }
  }
  std::vector<std::string> all;
  for (const auto& word : words_of(apart)) split_clitic(word, all);
  all.erase(std::remove_if(all.begin(), all.end(), is_dropped), all.end());
  return all;
}

bool normalised_match(const TextPair& pair) {
  const auto normalised = [](const std::string& text) {
    std::string plain;
    for (const char c : clean_text(text)) {
      if (std::ispunct(static_cast<unsigned char>(c)) == 0) plain += lower(c);
    }
    auto words = words_of(plain);
    words.erase(std::remove_if(
                    words.begin(), words.end(),
                    [](const auto& word) { return word == "a" || word == "an" || word == "the"; }),
                words.end());
    return words;
  };
  return normalised(pair.reference) == normalised(pair.hypothesis);
}

}  // namespace medseg
