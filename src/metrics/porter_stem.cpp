// M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980.
#include <string>
#include <string_view>
#include <vector>

#include "medseg/metrics/text_scores.h"

namespace medseg {
namespace {

bool is_consonant(std::string_view word, std::size_t i) {
  const char c = word[i];
  if (std::string_view("aeiou").find(c) != std::string_view::npos) return false;
  return c != 'y' || i == 0 || !is_consonant(word, i - 1);
}

// m of [C](VC)^m[V].
int measure(std::string_view stem) {
  int count = 0;
  bool after_vowel = false;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    const bool consonant = is_consonant(stem, i);
    count += consonant && after_vowel;
    after_vowel = !consonant;
  }
  return count;
}

bool has_vowel(std::string_view stem) {
  for (std::size_t i = 0; i < stem.size(); ++i) {
    if (!is_consonant(stem, i)) return true;
  }
  return false;
}

bool ends_in_double_consonant(std::string_view word) {
  const auto n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

// *o: consonant, vowel, consonant that is not w, x or y.
bool ends_short(std::string_view word) {
  const auto n = word.size();
  return n >= 3 && is_consonant(word, n - 3) && !is_consonant(word, n - 2) &&
         is_consonant(word, n - 1) &&
         std::string_view("wxy").find(word[n - 1]) == std::string_view::npos;
}

struct Rule {
  std::string_view suffix, replacement;
};

// The first suffix that fits decides; it is replaced if the measure of its stem is above `above`.
void apply_first(std::string& word, const std::vector<Rule>& rules, int above) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string stem = word.substr(0, word.size() - suffix.size());
    if (measure(stem) > above) word = stem + std::string(replacement);
    return;
  }
}

void step_1a(std::string& word) {
  if (word.ends_with("sses") || word.ends_with("ies")) {
    word.resize(word.size() - 2);
  } else if (word.ends_with("s") && !word.ends_with("ss")) {
    word.pop_back();
  }
}

void step_1b(std::string& word) {
  if (word.ends_with("eed")) {
    if (measure(word.substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  const std::size_t cut = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  if (cut == 0 || !has_vowel(word.substr(0, word.size() - cut))) return;
  word.resize(word.size() - cut);
  if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
    word += 'e';
  } else if (ends_in_double_consonant(word)) {
    if (std::string_view("lsz").find(word.back()) == std::string_view::npos) word.pop_back();
  } else if (measure(word) == 1 && ends_short(word)) {
    word += 'e';
  }
}

void step_1c(std::string& word) {
  if (word.ends_with("y") && has_vowel(word.substr(0, word.size() - 1))) word.back() = 'i';
}

void step_4(std::string& word) {
  static const std::vector<std::string_view> kSuffixes = {
      "al",  "ance", "ence", "er",  "ic",  "able", "ible", "ant", "ement", "ment",
      "ent", "ion",  "ou",   "ism", "ate", "iti",  "ous",  "ive", "ize"};
  for (const auto suffix : kSuffixes) {
    if (!word.ends_with(suffix)) continue;
    const std::string stem = word.substr(0, word.size() - suffix.size());
    const bool fits = suffix != "ion" || stem.ends_with("s") || stem.ends_with("t");
    if (fits && measure(stem) > 1) word = stem;
    return;
  }
}

void step_5(std::string& word) {
  if (word.ends_with("e")) {
    const std::string stem = word.substr(0, word.size() - 1);
    if (measure(stem) > 1 || (measure(stem) == 1 && !ends_short(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(word.substr(0, word.size() - 1)) > 1) word.pop_back();
}

}  // namespace

std::string porter_stem(const std::string& word) {
  static const std::vector<Rule> kStep2 = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
      {"izer", "ize"},    {"abli", "able"},   {"alli", "al"},     {"entli", "ent"},
      {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
      {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
      {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"}};
  static const std::vector<Rule> kStep3 = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                           {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                           {"ness", ""}};
  std::string stem = word;
  step_1a(stem);
  step_1b(stem);
  step_1c(stem);
  apply_first(stem, kStep2, 0);
  apply_first(stem, kStep3, 0);
  step_4(stem);
  step_5(stem);
  return stem;
}

}  // namespace medseg
