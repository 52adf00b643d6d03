#include "medseg/curation/rules.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "answer_parts.h"
#include "medseg/base/str.h"
#include "side_words.h"
#include "words.h"

namespace medseg {
namespace {

constexpr std::size_t kExamples = 3;

using Violations = std::vector<Violation>;

/// One turn under the rules, with the masks that were named before it.
struct TurnCheck {
  const DraftTurn& turn;
  std::size_t index;
  const RuleFacts& known;
  const RuleLimits& limits;
  const std::set<std::string>& named;  ///< labels of earlier answers
  Violations& out;

  void add(Rule rule, std::string what) const { out.push_back({rule, index, std::move(what)}); }
};

std::vector<const MaskFacts*> targets_of(const TurnCheck& check) {
  std::vector<const MaskFacts*> masks;
  for (const auto& id : check.turn.targets) {
    const auto* mask = check.known.facts.find(id);
    if (mask != nullptr) masks.push_back(mask);
  }
  return masks;
}

/// A structure of one side may reach over the midline: only the other side contradicts.
bool contradicts(Side said, Side actual) {
  const bool sided = said == Side::kLeft || said == Side::kRight;
  return sided && (actual == mirrored(said) || actual == Side::kBoth);
}

void check_leak(const TurnCheck& check) {
  std::vector<std::string> labels = check.turn.absent;
  for (const auto* mask : targets_of(check)) labels.push_back(mask->label);
  for (const auto& label : labels) {
    if (check.named.contains(label)) continue;
    const auto found = giveaways(check.known.vocabulary, label, check.turn.question);
    if (!found.empty()) {
      check.add(Rule::kNameLeak,
                str_cat("the question about \"", label, "\" says \"", found.front(), "\""));
    }
  }
}

bool names_label(const Vocabulary& vocabulary, const std::string& phrase,
                 const std::string& label) {
  const LabelName said = label_name(phrase), meant = label_name(label);
  if (said.side != Side::kNone && meant.side != Side::kNone && said.side != meant.side)
    return false;
  return said.base == meant.base || !giveaways(vocabulary, label, phrase).empty();
}

/// True if the answer's form allows the checks that go by phrase.
bool check_form(const TurnCheck& check, const AnswerParts& parts) {
  const auto& turn = check.turn;
  if (!parts.fault.empty()) {
    check.add(Rule::kSegCount, parts.fault);
    return false;
  }
  if (parts.phrases.size() != turn.targets.size()) {
    check.add(Rule::kSegCount,
              str_cat("[SEG] count ", parts.phrases.size(), ", masks ", turn.targets.size()));
    return false;
  }
  bool good = true;
  for (std::size_t k = 0; k < turn.targets.size(); ++k) {
    const auto* mask = check.known.facts.find(turn.targets[k]);
    if (mask == nullptr) {
      check.add(Rule::kSegCount, "no mask \"" + turn.targets[k] + "\" in this picture");
      good = false;
    } else if (!names_label(check.known.vocabulary, parts.phrases[k].text, mask->label)) {
      check.add(Rule::kPhrase, str_cat("the phrase \"", parts.phrases[k].text,
                                       "\" does not name \"", mask->label, "\""));
      good = false;
    }
  }
  if (has_markup(turn.question)) check.add(Rule::kSegCount, "markup in the question");
  return good;
}

/// Between the end of the mask before and the beginning of the next: what is said of this mask.
void check_sides(const TurnCheck& check, const AnswerParts& parts) {
  std::vector<std::string> labels;
  for (const auto& mask : check.known.facts.masks) labels.push_back(mask.label);
  for (std::size_t k = 0; k < parts.phrases.size(); ++k) {
    const auto& mask = *check.known.facts.find(check.turn.targets[k]);
    for (const auto& word : side_words_in(parts.said_of(k), labels)) {
      const std::string fault = side_fault(word, mask);
      if (!fault.empty()) check.add(Rule::kSide, fault);
    }
    const Side own = label_name(parts.phrases[k].text).side;
    if (contradicts(own, mask.side_of_patient)) {
      check.add(Rule::kSide, str_cat("\"", parts.phrases[k].text,
                                     "\" is a mask on the side: ", name_of(mask.side_of_patient)));
    }
  }
}

void check_numbers(const TurnCheck& check) {
  std::vector<double> allowed;
  for (const auto& mask : check.known.facts.masks) {
    const auto& targets = check.turn.targets;
    const bool target = std::find(targets.begin(), targets.end(), mask.id) != targets.end();
    if (!target && !check.named.contains(mask.label)) continue;
    const auto numbers = numbers_of(mask);
    allowed.insert(allowed.end(), numbers.begin(), numbers.end());
    for (const auto& number : numbers_in(mask.label)) allowed.push_back(std::stod(number));
  }
  for (const auto* text : {&check.turn.question, &check.turn.answer}) {
    for (const auto& number : numbers_in(*text)) {
      const double value = number.size() > 15 ? -1 : std::stod(number);
      const bool held = std::any_of(allowed.begin(), allowed.end(),
                                    [&](double fact) { return std::abs(fact - value) < 1e-6; });
      if (!held) check.add(Rule::kNumber, "no fact holds " + number);
    }
    const std::string measure = spelled_measure(*text);
    if (!measure.empty()) check.add(Rule::kNumber, "a measure in words: \"" + measure + "\"");
  }
}

void check_absence(const TurnCheck& check) {
  const auto& turn = check.turn;
  for (const auto& label : turn.absent) {
    for (const auto& mask : check.known.facts.masks) {
      if (label_name(mask.label).base == label_name(label).base &&
          label_name(mask.label).side == label_name(label).side)
        check.add(Rule::kAbsent, "\"" + label + "\" is denied and has a mask");
    }
    if (!check.known.absent.contains(label))
      check.add(Rule::kAbsent, "\"" + label + "\" was never looked for in this scan");
    if (giveaways(check.known.vocabulary, label, turn.answer).empty())
      check.add(Rule::kAbsent, "the answer does not say what is absent: \"" + label + "\"");
  }
  if (turn.absent.empty()) {
    if (turn.targets.empty())
      check.add(Rule::kAbsent, "an answer without a mask that denies nothing");
    return;
  }
  if (turn.targets.empty() && !denies(turn.answer))
    check.add(Rule::kAbsent, "the answer does not deny");
}

void check_text(const TurnCheck& check) {
  const auto& [question, answer] = std::tie(check.turn.question, check.turn.answer);
  const auto& limits = check.limits;
  const auto length = [&](const char* what, const std::string& text, std::size_t least,
                          std::size_t most) {
    const auto count = words_of(plain_text(text)).size();
    if (count < least || count > most) {
      check.add(Rule::kLength,
                str_cat("the ", what, " has ", count, " words, expected ", least, " to ", most));
    }
  };
  length("question", question, limits.question_words_least, limits.question_words_most);
  length("answer", answer, limits.answer_words_least, limits.answer_words_most);
  for (const auto* text : {&question, &answer}) {
    const std::string plain = plain_text(*text);
    const double grade = reading_grade(plain);
    if (grade > limits.grade_most)
      check.add(Rule::kReading, str_cat("reading grade ", fixed(grade, 1), ": \"", plain, "\""));
    if (looks_foreign(plain)) check.add(Rule::kLanguage, "not English: \"" + plain + "\"");
    const std::string voice = strange_voice(plain);
    if (!voice.empty()) check.add(Rule::kVoice, "\"" + voice + "\"");
  }
}

void check_duplicates(const Draft& draft, const RuleFacts& known, const RuleLimits& limits,
                      Violations& out) {
  std::vector<std::string> seen = known.earlier_questions;
  for (std::size_t i = 0; i < draft.size(); ++i) {
    // A follow-up means another thing after another answer.
    if (draft[i].kind != TurnKind::kFollowUp) {
      for (const auto& other : seen) {
        if (word_overlap(other, draft[i].question) <= limits.overlap_most) continue;
        out.push_back({Rule::kDuplicate, i, "asked before: \"" + other + "\""});
        break;
      }
    }
    seen.push_back(draft[i].question);
  }
}

}  // namespace

std::vector<Violation> violations_of(const Draft& draft, const RuleFacts& known,
                                     const RuleLimits& limits) {
  Violations out;
  if (draft.empty() || draft.size() > limits.turns_most) {
    out.push_back(
        {Rule::kLength, 0, str_cat(draft.size(), " turns, expected 1 to ", limits.turns_most)});
  }
  std::set<std::string> named;
  for (std::size_t i = 0; i < draft.size(); ++i) {
    const TurnCheck check{draft[i], i, known, limits, named, out};
    const AnswerParts parts = parts_of(draft[i].answer);
    check_leak(check);
    if (check_form(check, parts)) check_sides(check, parts);
    check_numbers(check);
    check_absence(check);
    check_text(check);
    for (const auto* mask : targets_of(check)) named.insert(mask->label);
    named.insert(draft[i].absent.begin(), draft[i].absent.end());
  }
  check_duplicates(draft, known, limits, out);
  return out;
}

std::string side_conflict(const MaskFacts& mask) {
  const Side said = label_name(mask.label).side;
  if (!contradicts(said, mask.side_of_patient)) return "";
  return str_cat(
      "the label \"", mask.label, "\" says ", name_of(said), ", the mask lies ",
      mask.side_of_patient == Side::kBoth ? "on both sides" : name_of(mask.side_of_patient));
}

void RuleCounts::add(const std::string& where, const Draft& draft,
                     const std::vector<Violation>& violations) {
  if (violations.empty()) return;
  ++dialogues_;
  std::set<Rule> counted;
  for (const auto& [rule, turn, what] : violations) {
    if (!counted.insert(rule).second) continue;
    auto& entry = entries_[rule];
    ++entry.count;
    if (entry.examples.size() >= kExamples) continue;
    std::string example = str_cat(where, ", turn ", turn, ": ", what);
    if (turn < draft.size()) example += " in \"" + draft[turn].question + "\"";
    entry.examples.push_back(std::move(example));
  }
}

void RuleCounts::add(const std::string& where, Rule rule, const std::string& what) {
  ++dialogues_;
  auto& entry = entries_[rule];
  ++entry.count;
  if (entry.examples.size() < kExamples) entry.examples.push_back(where + ": " + what);
}

void RuleCounts::add(const RuleCounts& others) {
  dialogues_ += others.dialogues_;
  for (const auto& [rule, other] : others.entries_) {
    auto& entry = entries_[rule];
    entry.count += other.count;
    for (const auto& example : other.examples) {
      if (entry.examples.size() < kExamples) entry.examples.push_back(example);
    }
  }
}

nlohmann::ordered_json RuleCounts::json() const {
  auto out = nlohmann::ordered_json::object();
  for (const auto& [rule, entry] : entries_)
    out[name_of(rule)] = {{"count", entry.count}, {"examples", entry.examples}};
  return out;
}

std::string RuleCounts::text() const {
  std::string text;
  for (const auto& [rule, entry] : entries_) {
    text += str_cat("rejected by rule ", name_of(rule), ": ", entry.count, "\n");
    for (const auto& example : entry.examples) text += "  " + example + "\n";
  }
  return text;
}

}  // namespace medseg
