#include "words.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <set>

namespace medseg {
namespace {

bool is_letter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

/// Soft hyphen, zero-width space and joiners, byte order mark: they would hide a name.
std::size_t invisible_at(std::string_view text, std::size_t at) {
  static constexpr std::array<std::string_view, 6> kInvisible = {
      "\xc2\xad", "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x81\xa0", "\xef\xbb\xbf"};
  for (const auto& one : kInvisible) {
    if (text.substr(at, one.size()) == one) return one.size();
  }
  return 0;
}

/// Dashes and quotes beyond ASCII part words as their plain forms do: U+2010 … U+201F, U+00A0.
std::size_t separator_at(std::string_view text, std::size_t at) {
  const auto piece = text.substr(at, 3);
  if (piece.size() == 3 && piece.substr(0, 2) == "\xe2\x80" &&
      static_cast<unsigned char>(piece[2]) >= 0x90 && static_cast<unsigned char>(piece[2]) <= 0xa6)
    return 3;
  return text.substr(at, 2) == "\xc2\xa0" ? 2 : 0;
}

std::vector<std::string> split_words(std::string_view text, bool lower) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const auto skipped = invisible_at(text, i)) {
      i += skipped - 1;
    } else if (const auto parts = separator_at(text, i)) {
      end_word();
      i += parts - 1;
    } else if (is_letter(text[i])) {
      word +=
          lower ? static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))) : text[i];
    } else if (text[i] == '\'' && !word.empty() && i + 1 < text.size() && is_letter(text[i + 1]) &&
               (i + 2 == text.size() || !is_letter(text[i + 2]))) {
      ++i;  // the s of a genitive
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

bool is_vowel(char c) { return std::string_view("aeiouy").find(c) != std::string_view::npos; }

int syllables_of(const std::string& word) {
  int count = 0;
  bool before = false;
  for (const char c : word) {
    const bool vowel = is_vowel(c);
    count += vowel && !before ? 1 : 0;
    before = vowel;
  }
  if (count > 1 && word.ends_with("e") && !word.ends_with("le")) --count;
  return std::max(count, 1);
}

/// Two-byte sequences are Latin with accents and Greek; of three bytes only punctuation, signs and
/// super- or subscripts (U+2000 … U+2BFF) are expected.
bool has_foreign_script(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) continue;
    if (byte >= 0xd0 && byte <= 0xdf) return true;  // Cyrillic, Hebrew, Arabic, …
    if (byte >= 0xe0 && byte != 0xe2) return true;
    i += byte == 0xe2 ? 2 : 1;
  }
  return false;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) { return split_words(text, true); }

std::vector<std::string> words_as_written(std::string_view text) {
  return split_words(text, false);
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool ends =
        std::string_view(".?!;").find(text[i]) != std::string_view::npos &&
        (i + 1 == text.size() || std::isspace(static_cast<unsigned char>(text[i + 1])));
    if (!ends && i + 1 != text.size()) continue;
    const auto piece = text.substr(start, i + 1 - start);
    if (!words_of(piece).empty()) sentences.emplace_back(piece);
    start = i + 1;
  }
  return sentences;
}

double word_overlap(std::string_view a, std::string_view b) {
  const auto wa = words_of(a), wb = words_of(b);
  const std::set<std::string> sa(wa.begin(), wa.end()), sb(wb.begin(), wb.end());
  std::size_t common = 0;
  for (const auto& word : sa) common += sb.contains(word) ? 1 : 0;
  const std::size_t all = sa.size() + sb.size() - common;
  return all == 0 ? 1.0 : static_cast<double>(common) / static_cast<double>(all);
}

double reading_grade(std::string_view text) {
  const auto words = words_of(text);
  if (words.empty()) return 0;
  int syllables = 0;
  for (const auto& word : words) syllables += syllables_of(word);
  const auto count = static_cast<double>(words.size());
  const auto sentences = static_cast<double>(std::max<std::size_t>(sentences_of(text).size(), 1));
  return 0.39 * count / sentences + 11.8 * syllables / count - 15.59;
}

std::vector<std::string> numbers_in(std::string_view text) {
  std::vector<std::string> numbers;
  std::size_t i = 0;
  const auto digit = [&](std::size_t at) {
    return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
  };
  while (i < text.size()) {
    if (!digit(i)) {
      ++i;
      continue;
    }
    const bool in_word = i > 0 && std::isalpha(static_cast<unsigned char>(text[i - 1])) != 0;
    std::string number;
    while (digit(i) || ((text[i] == '.' || text[i] == ',') && digit(i + 1))) {
      if (text[i] != ',') number += text[i];
      if (++i >= text.size()) break;
    }
    if (!in_word) numbers.push_back(std::move(number));  // "T1", "L4" are names
  }
  return numbers;
}

bool looks_foreign(std::string_view text) {
  static const std::set<std::string> frequent = {
      "the",  "of",   "and", "in",   "is",    "a",     "to",   "which", "that", "it",  "on",
      "what", "with", "for", "this", "are",   "where", "at",   "by",    "from", "not", "its",
      "be",   "an",   "as",  "does", "would", "there", "here", "how",   "show", "no",  "has"};
  if (has_foreign_script(text)) return true;
  const auto words = words_of(text);
  return words.size() >= 8 && std::none_of(words.begin(), words.end(), [](const auto& word) {
           return frequent.contains(word);
         });
}

}  // namespace medseg
