#include "medseg/curation/vocabulary.h"

#include <algorithm>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "words.h"

namespace medseg {
namespace {

constexpr std::size_t kShortestStem = 4;
constexpr std::size_t kShortestInside = 7;  // of a stem searched for across hyphens and blanks

/// "hippocampus" is "hippocamp": what its adjective and plural share.
std::string stem_of(std::string word) {
  static const std::vector<std::string> endings = {"ies", "ous", "us", "um", "es", "al", "ar", "ic",
                                                   "is",  "ae",  "s",  "a",  "e",  "i",  "y"};
  for (const auto& ending : endings) {
    if (word.size() < ending.size() + kShortestStem || !word.ends_with(ending)) continue;
    word.resize(word.size() - ending.size());
    break;
  }
  return word;
}

bool starts_some_word(const std::vector<std::string>& words, const std::string& stem) {
  const auto parts = words_of(stem);
  if (parts.empty()) return false;
  for (std::size_t i = 0; i + parts.size() <= words.size(); ++i) {
    bool same = words[i + parts.size() - 1].starts_with(parts.back());
    for (std::size_t k = 0; same && k + 1 < parts.size(); ++k) same = words[i + k] == parts[k];
    if (same) return true;
  }
  return false;
}

std::string letters_only(std::string_view text) {
  std::string letters;
  for (const auto& word : words_of(text)) letters += word;
  return letters;
}

void check_structure(const Structure& structure, const std::string& where) {
  if (structure.name.empty()) throw ConfigError(where + ".name", "a structure without a name");
  if (structure.region.empty()) throw ConfigError(where + ".region", "missing or empty");
  for (const auto* phrases : {&structure.function, &structure.location, &structure.appearance,
                              &structure.consequence, &structure.differential}) {
    for (const auto& phrase : *phrases) {
      for (const auto& stem : structure.stems) {
        if (starts_some_word(words_of(phrase), stem)) {
          throw ConfigError(
              where, str_cat("\"", phrase, "\" holds \"", stem, "\", which gives the name away"));
        }
      }
    }
  }
}

}  // namespace

LabelName label_name(std::string_view label) {
  std::vector<std::string> words = words_of(label);
  LabelName name;
  const auto side_at = [&](std::size_t index, bool short_too) {
    const auto& word = words[index];
    if (word == "left" || (short_too && (word == "l" || word == "lh"))) return Side::kLeft;
    if (word == "right" || (short_too && (word == "r" || word == "rh"))) return Side::kRight;
    return Side::kNone;
  };
  if (words.size() > 1) {
    name.side = side_at(words.size() - 1, true);
    if (name.side != Side::kNone) {
      words.pop_back();
    } else if ((name.side = side_at(0, words[0].size() == 2)) != Side::kNone) {
      words.erase(words.begin());
    }
  }
  name.base = join(words, " ");
  return name;
}

const Structure* Vocabulary::find(std::string_view label) const {
  const std::string base = label_name(label).base;
  for (const auto& structure : structures) {
    if (label_name(structure.name).base == base) return &structure;
    for (const auto& other : structure.labels) {
      if (label_name(other).base == base) return &structure;
    }
  }
  return nullptr;
}

bool Vocabulary::far_apart(const std::string& region, const std::string& other) const {
  return std::any_of(far_regions.begin(), far_regions.end(), [&](const auto& pair) {
    return pair.size() == 2 &&
           ((pair[0] == region && pair[1] == other) || (pair[1] == region && pair[0] == other));
  });
}

Vocabulary read_vocabulary(const std::filesystem::path& path) {
  Vocabulary vocabulary;
  const auto json = load_config(path);
  with_place(path.string(), [&] {
    read_options(json, vocabulary);
    std::set<std::string> names;
    for (std::size_t i = 0; i < vocabulary.structures.size(); ++i) {
      const auto& structure = vocabulary.structures[i];
      const std::string where = str_cat("structures[", i, "]");
      check_structure(structure, where);
      if (!names.insert(label_name(structure.name).base).second)
        throw ConfigError(where + ".name", "\"" + structure.name + "\" stands twice");
    }
  });
  return vocabulary;
}

std::vector<std::string> giveaways(const Vocabulary& vocabulary, std::string_view label,
                                   std::string_view text) {
  const auto words = words_of(text);
  const Structure* structure = vocabulary.find(label);
  std::vector<std::string> stems, found;
  for (const auto& word : words_of(label_name(label).base)) {
    const auto& generic = vocabulary.generic_words;
    if (word.size() < kShortestStem ||
        std::find(generic.begin(), generic.end(), word) != generic.end())
      continue;
    stems.push_back(stem_of(word));
  }
  if (structure != nullptr) {
    stems.insert(stems.end(), structure->stems.begin(), structure->stems.end());
    stems.insert(stems.end(), structure->synonyms.begin(), structure->synonyms.end());
  }
  stems.push_back(label_name(label).base);  // the whole name, even of generic words
  const std::string letters = letters_only(text);
  for (const auto& stem : stems) {
    const std::string inside = letters_only(stem);
    if (starts_some_word(words, stem) ||
        (inside.size() >= kShortestInside && letters.find(inside) != std::string::npos))
      found.push_back(stem);
  }
  if (structure != nullptr) {
    const auto exact = words_as_written(text);
    for (const auto& abbreviation : structure->abbreviations) {
      if (std::find(exact.begin(), exact.end(), abbreviation) != exact.end())
        found.push_back(abbreviation);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace medseg
