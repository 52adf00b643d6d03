/// \file
/// What is known of structures apart from their pixels: the words that would give a name away, and
/// what the template stage says of them (`configs/annotate/vocabulary.json`).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/curation/facts.h"

namespace medseg {

/// One structure. The five lists of phrases complete fixed sentences (template_phrases.h): a
/// function is "pumps blood", a location "behind the breastbone", an appearance "a fist of muscle",
/// a consequence "stop the pulse" (after "damage would"), a differential "crushing pain".
struct Structure {
  std::string name;
  std::string region;  ///< "head", "chest", …: what may be seen together
  bool plural = false;
  std::vector<std::string> labels;         ///< other spellings of the label in data sets
  std::vector<std::string> stems;          ///< lower-case beginnings of words that give it away
  std::vector<std::string> synonyms;       ///< whole phrases that do
  std::vector<std::string> abbreviations;  ///< whole words in this case of letters
  std::vector<std::string> function, location, appearance, consequence, differential;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name);
    visit("region", self.region);
    visit("plural", self.plural);
    visit("labels", self.labels);
    visit("stems", self.stems);
    visit("synonyms", self.synonyms);
    visit("abbreviations", self.abbreviations);
    visit("function", self.function);
    visit("location", self.location);
    visit("appearance", self.appearance);
    visit("consequence", self.consequence);
    visit("differential", self.differential);
  }
};

/// A label as "the left one of the hippocampi": side and name apart, in lower case.
/// "Hippocampus_L", "left hippocampus" and "hippocampus (left)" have the same.
struct LabelName {
  Side side = Side::kNone;
  std::string base;
};
LabelName label_name(std::string_view label);

struct Vocabulary {
  int version = 1;
  /// Words of names that many structures share ("gyrus", "left"): alone they give nothing away.
  std::vector<std::string> generic_words;
  /// Pairs of regions that no picture shows together.
  std::vector<std::vector<std::string>> far_regions;
  std::vector<Structure> structures;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("version", self.version);
    visit("generic_words", self.generic_words);
    visit("far_regions", self.far_regions);
    visit("structures", self.structures);
  }

  /// By name or label of a structure, its side left out; nullptr if there is none.
  const Structure* find(std::string_view label) const;
  bool far_apart(const std::string& region, const std::string& other) const;
};

/// \throws ConfigError naming file and key: bad JSON, an unknown key, a structure without a name or
/// region, a name that stands twice, a phrase that holds a stem of its own structure.
Vocabulary read_vocabulary(const std::filesystem::path& path);

/// The words of `text` that give the structure of `label` away; empty if none does. Also names
/// without an entry: then the label's own words of four letters or more, cut to their stems.
std::vector<std::string> giveaways(const Vocabulary& vocabulary, std::string_view label,
                                   std::string_view text);

}  // namespace medseg
