#include "follow_ups.h"

#include <algorithm>
#include <cmath>

#include "medseg/base/str.h"
#include "template_phrases.h"

namespace medseg {
namespace {

using Turns = std::vector<DraftTurn>;

std::string one_of(const std::vector<std::string>& texts, RandomStream& random) {
  return texts[random.below(texts.size())];
}

DraftTurn turn(std::string question, std::string answer, std::vector<std::string> targets) {
  return {TurnKind::kFollowUp, std::move(question), std::move(answer), std::move(targets), {}};
}

bool is_plural(const Vocabulary& vocabulary, const std::string& label) {
  const auto* structure = vocabulary.find(label);
  return structure != nullptr && structure->plural;
}

/// As facts_json rounds it.
std::string percent_text(double share) {
  return share >= 0.1 ? str_cat(std::lround(100 * share)) : fixed(100 * share, 1);
}

void add_size(Turns& turns, const MaskFacts& mask, bool plural, RandomStream& random) {
  std::string answer = "The " + marked(mask) + (plural ? " cover " : " covers ");
  if (mask.area_mm2 && *mask.area_mm2 >= 1)
    answer += str_cat("about ", std::lround(*mask.area_mm2), " mm², ");
  answer += percent_text(mask.share) + " percent of the picture";
  if (mask.size == SizeInSet::kSmall) answer += ", which is little for this set of pictures";
  if (mask.size == SizeInSet::kLarge) answer += ", which is much for this set of pictures";
  const std::string question =
      plural
          ? one_of({"How large are they here?", "How much of the picture do they cover?"}, random)
          : one_of({"How large is it here?", "How much of the picture does it cover?",
                    "What is its area?"},
                   random);
  turns.push_back(turn(question, answer + ".", {mask.id}));
}

void add_borders(Turns& turns, const MaskFacts& mask, bool plural, RandomStream& random) {
  const std::string question = plural ? "Are they cut off by the edge of the picture?"
                                      : one_of({"Is it cut off by the edge of the picture?",
                                                "Is all of it within the picture?"},
                                               random);
  std::string answer = "The " + marked(mask);
  if (mask.borders.empty()) {
    answer += plural ? " keep clear of every edge of the picture."
                     : " keeps clear of every edge of the picture.";
  } else {
    answer += str_cat(plural ? " reach the " : " reaches the ", join(mask.borders, " and the "),
                      mask.borders.size() > 1 ? " edges of the picture." : " edge of the picture.");
  }
  turns.push_back(turn(question, answer, {mask.id}));
}

void add_pieces(Turns& turns, const MaskFacts& mask, bool plural, RandomStream& random) {
  if (mask.pieces < 2 || mask.pieces > 20) return;
  const std::string question =
      plural ? "In how many pieces are they cut here?"
             : one_of({"Is it cut in one piece or in several?", "In how many pieces is it seen?"},
                      random);
  turns.push_back(turn(question,
                       str_cat("The ", marked(mask), plural ? " are" : " is", " seen in ",
                               mask.pieces, " pieces here."),
                       {mask.id}));
}

/// The only neighbour in one direction.
void add_neighbours(Turns& turns, const MaskFacts& mask, const Picture& picture, bool plural,
                    RandomStream& random) {
  for (const std::string direction : {"above", "below", "left of", "right of"}) {
    const MaskFacts* only = nullptr;
    int count = 0;
    for (const auto& neighbour : mask.neighbours) {
      if (neighbour.direction != direction || neighbour.relation != Relation::kTouches) continue;
      only = picture.facts.find(neighbour.id);
      ++count;
    }
    if (count != 1 || only == nullptr || only->area_px < kFewestPixels) continue;
    const std::string it = plural ? "them" : "it";
    const std::string where =
        (direction.ends_with(" of") ? "to the " + direction : direction) + " " + it;
    const std::string question =
        one_of({str_cat("What lies directly ", where, " in the picture?"),
                str_cat("Which structure is next, ", where, " in the picture?")},
               random);
    turns.push_back(turn(
        question,
        str_cat("Directly against ", it, " is the ", marked(*only), ",", place_text(*only), "."),
        {only->id}));
  }
}

/// The mask of the same structure on the other side, or that it is not there.
void add_counterpart(Turns& turns, const MaskFacts& mask, const Picture& picture,
                     RandomStream& random) {
  const LabelName own = label_name(mask.label);
  if (own.side != Side::kLeft && own.side != Side::kRight) return;
  const auto is_other = [&](const std::string& label) {
    const LabelName other = label_name(label);
    return other.base == own.base && other.side == mirrored(own.side);
  };
  const std::string question = one_of(
      {"And its counterpart on the other side?", "Does its partner on the other side show too?",
       "Where is the same structure of the other side?"},
      random);
  for (const auto& other : picture.facts.masks) {
    if (!is_other(other.label) || other.area_px < kFewestPixels) continue;
    turns.push_back(turn(
        question, str_cat("Its counterpart is the ", marked(other), ",", place_text(other), "."),
        {other.id}));
  }
  for (const auto& label : picture.absent) {
    if (!is_other(label)) continue;
    DraftTurn denied = turn(question, "The " + label + " is not seen here.", {});
    denied.absent = {label};
    turns.push_back(std::move(denied));
  }
}

}  // namespace

std::vector<DraftTurn> follow_ups_of(const MaskFacts& mask, const Picture& picture,
                                     const Vocabulary& vocabulary, RandomStream& random) {
  Turns turns;
  const bool plural = is_plural(vocabulary, mask.label);
  add_size(turns, mask, plural, random);
  add_borders(turns, mask, plural, random);
  add_pieces(turns, mask, plural, random);
  add_neighbours(turns, mask, picture, plural, random);
  add_counterpart(turns, mask, picture, random);
  return turns;
}

}  // namespace medseg
