/// \file
/// Rules that no dialogue escapes, whoever wrote it: template, language model or reader.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/choice.h"
#include "medseg/curation/dialogue.h"
#include "medseg/curation/facts.h"
#include "medseg/curation/vocabulary.h"

namespace medseg {

enum class Rule {
  kNameLeak,   ///< a question names what it asks for, before any answer did
  kSegCount,   ///< `[SEG]` of an answer against its masks; markup that is not closed
  kPhrase,     ///< a phrase before `[SEG]` that does not name its mask
  kSide,       ///< left or right against the mask
  kNumber,     ///< a number that no fact holds
  kAbsent,     ///< denies what is there or was not looked for, or denies with a mask
  kDuplicate,  ///< nearly a question that was asked about this picture before
  kReading,    ///< too hard to read
  kLength,     ///< too short or too long
  kLanguage,   ///< not English
  kVoice,      ///< speaks as a machine, or gives advice that is no reading of a picture
};
template <>
struct Choice<Rule> {
  static constexpr ChoiceNames<Rule, 11> names = {{{Rule::kNameLeak, "name-leak"},
                                                   {Rule::kSegCount, "seg-count"},
                                                   {Rule::kPhrase, "phrase"},
                                                   {Rule::kSide, "side"},
                                                   {Rule::kNumber, "number"},
                                                   {Rule::kAbsent, "absent"},
                                                   {Rule::kDuplicate, "duplicate"},
                                                   {Rule::kReading, "reading"},
                                                   {Rule::kLength, "length"},
                                                   {Rule::kLanguage, "language"},
                                                   {Rule::kVoice, "voice"}}};
};

struct Violation {
  Rule rule = Rule::kNameLeak;
  std::size_t turn = 0;  ///< counted from 0
  std::string what;      ///< "the question says \"hippocamp\""
};

/// What the rules know of one picture.
struct RuleFacts {
  const Vocabulary& vocabulary;
  const PictureFacts& facts;
  std::set<std::string> absent;                ///< labels that may be denied
  std::vector<std::string> earlier_questions;  ///< asked about this picture in other dialogues
};

struct RuleLimits {
  std::size_t turns_most = 12;
  std::size_t question_words_least = 3, question_words_most = 60;
  std::size_t answer_words_least = 4, answer_words_most = 160;
  double grade_most = 20;     ///< Flesch-Kincaid
  double overlap_most = 0.9;  ///< of the words of two questions
};

/// Every violation of a dialogue; empty if it may stand.
std::vector<Violation> violations_of(const Draft& draft, const RuleFacts& known,
                                     const RuleLimits& limits = {});

/// Left or right in a mask's own label against where the mask lies; "" where they agree.
std::string side_conflict(const MaskFacts& mask);

/// Rejections by rule with the first examples of each.
class RuleCounts {
 public:
  /// Counts each rule once a dialogue. `where` names the picture.
  void add(const std::string& where, const Draft& draft, const std::vector<Violation>& violations);
  void add(const std::string& where, Rule rule, const std::string& what);
  void add(const RuleCounts& others);

  std::int64_t total() const { return dialogues_; }  ///< dialogues and masks that were rejected
  nlohmann::ordered_json json() const;
  std::string text() const;  ///< one line a rule and its examples; "" where nothing was rejected

 private:
  struct Entry {
    std::int64_t count = 0;
    std::vector<std::string> examples;
  };
  std::map<Rule, Entry> entries_;
  std::int64_t dialogues_ = 0;
};

}  // namespace medseg
