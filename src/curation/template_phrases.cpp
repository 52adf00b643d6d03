#include "template_phrases.h"

#include <cctype>
#include <cmath>

#include "medseg/base/str.h"

namespace medseg {
namespace {

using Texts = std::vector<std::string>;

const std::string& one_of(const Texts& texts, RandomStream& random) {
  return texts[random.below(texts.size())];
}

std::string filled(std::string text, const std::string& phrase) {
  const auto at = text.find("{x}");
  return at == std::string::npos ? text : text.replace(at, 3, phrase);
}

std::string upper_first(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

const Texts& frames(TurnKind kind, bool plural) {
  static const Texts function = {"Which structure {x}?",
                                 "Which part of this picture {x}?",
                                 "Find what {x}.",
                                 "Point to the structure that {x}.",
                                 "Please outline what {x}.",
                                 "A student asks what {x}. Where is it?",
                                 "Can you mark the part that {x}?"};
  static const Texts functions = {"Which structures {x}?", "Which parts of this picture {x}?",
                                  "Point to the structures that {x}.",
                                  "A student asks which parts {x}. Where are they?",
                                  "Can you mark the parts that {x}?"};
  static const Texts location = {"What lies {x}?", "Which structure lies {x}?",
                                 "Outline the structure {x}.", "What can be seen {x}?",
                                 "Name and mark what lies {x}."};
  static const Texts locations = {"What lies {x}?", "Which structures lie {x}?",
                                  "Outline the structures {x}.", "What can be seen {x}?"};
  static const Texts appearance = {"Where is {x}?", "Mark {x}.", "What is seen here as {x}?",
                                   "Look for {x} and outline it.", "Which structure shows as {x}?"};
  static const Texts appearances = {"Where are {x}?", "Mark {x}.", "What is seen here as {x}?",
                                    "Which structures show as {x}?"};
  static const Texts consequence = {"Damage to which structure would {x}?",
                                    "The loss of which part would {x}?",
                                    "If one structure here failed, it would {x}. Which one?",
                                    "Mark the part whose damage would {x}."};
  static const Texts consequences = {"Damage to which structures would {x}?",
                                     "The loss of which parts would {x}?",
                                     "Mark the parts whose damage would {x}."};
  static const Texts differential = {"With {x} in mind, what should be looked at first?",
                                     "Where would you look for the cause of {x}?",
                                     "The referral speaks of {x}. What should be checked?",
                                     "Which part of this picture matters for {x}?"};
  switch (kind) {
    case TurnKind::kFunction:
      return plural ? functions : function;
    case TurnKind::kLocation:
      return plural ? locations : location;
    case TurnKind::kAppearance:
      return plural ? appearances : appearance;
    case TurnKind::kConsequence:
      return plural ? consequences : consequence;
    default:
      return differential;
  }
}

/// The beginning of an answer, up to the name.
std::string reason(const Clue& clue) {
  const std::string verb = clue.plural ? " are the " : " is the ";
  switch (clue.kind) {
    case TurnKind::kFunction:
      return (clue.plural ? "The structures that " : "The structure that ") + clue.phrase + verb;
    case TurnKind::kLocation:
      return "What lies " + clue.phrase + verb;
    case TurnKind::kAppearance:
      return "What shows as " + clue.phrase + verb;
    case TurnKind::kConsequence:
      return "Damage that would " + clue.phrase + " points to the ";
    default:
      return "With " + clue.phrase + ", the first place to look is the ";
  }
}

std::string article_for(const std::string& modality) {
  if (modality == "ct") return "CT";
  if (modality == "mr" || modality == "mri") return "MR";
  return modality;
}

std::string evidence(const MaskFacts& mask, const PictureFacts& facts, const std::string& modality,
                     bool plural) {
  std::string text = plural ? "they lie " : "it lies ";
  text += view_text(facts, modality) + place_text(mask);
  if (!mask.brightness.empty())
    text += str_cat(", ", mask.brightness, " beside the rest of the picture");
  return text + ".";
}

}  // namespace

std::vector<Clue> clues_of(const Structure* structure) {
  std::vector<Clue> clues;
  if (structure == nullptr) return clues;
  const auto add = [&](TurnKind kind, const std::vector<std::string>& phrases) {
    for (const auto& phrase : phrases) clues.push_back({kind, phrase, structure->plural});
  };
  add(TurnKind::kFunction, structure->function);
  add(TurnKind::kLocation, structure->location);
  add(TurnKind::kAppearance, structure->appearance);
  add(TurnKind::kConsequence, structure->consequence);
  add(TurnKind::kDifferential, structure->differential);
  return clues;
}

std::string question_of(const Clue& clue, Side side, RandomStream& random) {
  std::string text = filled(one_of(frames(clue.kind, clue.plural), random), clue.phrase);
  if (side != Side::kLeft && side != Side::kRight) return text;
  static const Texts sides = {
      " The one on the patient's {x} is meant.", " Only the patient's {x} side is asked for.",
      " Take the {x} side of the patient.", " On the patient's {x}, please."};
  return text + filled(one_of(sides, random), name_of(side));
}

std::string view_text(const PictureFacts& facts, const std::string& modality) {
  const bool slice = facts.view.plane != Plane::kUnknown;
  return str_cat("in this ", slice ? name_of(facts.view.plane) + " " : "",
                 modality.empty() ? "" : article_for(modality) + " ", slice ? "slice" : "picture");
}

std::string place_text(const MaskFacts& mask) {
  const std::string part = mask.position == "centre" ? "central" : mask.position;
  std::string text = str_cat(" in the ", part, " part of the picture");
  if (mask.side_of_patient == Side::kLeft || mask.side_of_patient == Side::kRight)
    text += ", on the patient's " + name_of(mask.side_of_patient);
  if (mask.side_of_patient == Side::kBoth) text += ", on both sides of the patient";
  return text;
}

std::string marked(const MaskFacts& mask) { return "<p> " + mask.label + " </p> [SEG]"; }

std::string question_by_facts(const MaskFacts& mask, RandomStream& random) {
  static const Texts texts = {"What is the finding in the {x} part of the picture?",
                              "Which structure lies in the {x} part of the picture?",
                              "Outline what is to be seen in the {x} part of the picture."};
  return filled(one_of(texts, random), mask.position == "centre" ? "central" : mask.position);
}

std::string answer_of(const Clue& clue, const MaskFacts& mask, const PictureFacts& facts,
                      const std::string& modality) {
  return upper_first(reason(clue)) + marked(mask) + "; " +
         evidence(mask, facts, modality, clue.plural);
}

std::string answer_by_facts(const MaskFacts& mask, const PictureFacts& facts,
                            const std::string& modality) {
  return "That is the " + marked(mask) + "; " + evidence(mask, facts, modality, false);
}

std::string denial_of(const Clue& clue, const std::string& label, bool slice,
                      RandomStream& random) {
  static const Texts one = {"it is not seen in this {x}.", "there is none in this {x}.",
                            "this {x} does not show it."};
  static const Texts many = {"they are not seen in this {x}.", "there are none in this {x}.",
                             "this {x} does not show them."};
  std::string text = reason(clue);
  const std::string verb = clue.plural ? " are the " : " is the ";
  if (text.ends_with(verb)) text.replace(text.size() - verb.size(), verb.size(), " would be the ");
  return upper_first(text) + label + "; " +
         filled(one_of(clue.plural ? many : one, random), slice ? "slice" : "picture");
}

}  // namespace medseg
