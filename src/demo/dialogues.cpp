#include "dialogues.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "locations.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/demo/phrases.h"

namespace medseg {
namespace {

using Labels = std::vector<std::string>;

constexpr double kAsksPerStructure = 110;  // in training, over all slices that show a structure
constexpr std::size_t kFewestRepeats = 2;
constexpr std::size_t kMostRepeats = 8;
constexpr std::size_t kMasksPerRecord = 3;  // on average
constexpr double kAbsentShare = 0.24;       // of the turns in validation and test
constexpr double kNearShare = 0.5;          // of the absent turns: structures of the same anatomy
// The same in training: structures of the same anatomy are the hard ones.
constexpr double kTrainNearShare = 0.6;
// In training, in records that also ask for present structures.
constexpr double kMixedAbsentShare = 0.08;
// Records of absent structures only: at most so many over all slices of a scan.
constexpr double kDenyingRecords = 140;
constexpr std::size_t kMostDenyingRecords = 3;  // of these, per slice
constexpr std::size_t kDenials = 2;             // absent structures in each of these
constexpr std::size_t kMaxTrainTurns = 4;
constexpr std::size_t kMaxTestTurns = 3;
constexpr std::size_t kMaxValTurns = 2;  // many short records, because validation runs often

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

/// Draws wordings from a shuffled deck per key: none is repeated before all have been used.
class Wording {
 public:
  Wording(std::uint64_t seed, const std::string& stream) : seed_(seed), stream_(stream) {}

  const std::string& draw(const std::string& key, const std::vector<std::string>& texts) {
    auto& deck = decks_[key];
    if (deck.empty()) {
      for (std::size_t i = 0; i < texts.size(); ++i) deck.push_back(i);
      RandomStream(seed_, stream_ + "/" + key, rounds_[key]++).shuffle(deck);
    }
    const std::size_t chosen = deck.back();
    deck.pop_back();
    return texts[chosen];
  }

 private:
  std::uint64_t seed_;
  std::string stream_;
  std::map<std::string, std::vector<std::size_t>> decks_;
  std::map<std::string, std::uint64_t> rounds_;
};

/// How the absent turns are spread over the structures.
enum class Spread {
  kAsAsked,  ///< in proportion to how often the structure is asked for where it is present
  /// Separately for the same and for other anatomy, with more weight on rare structures: otherwise
  /// a structure that is sometimes absent in its own scans would hardly ever be asked for in others
  kNearAndFar,
};

/// Keeps the share of absent turns and the share of near anatomy among them.
class AbsentTurns {
 public:
  AbsentTurns(double share, double near_share, Spread spread, std::map<std::string, double> asked)
      : share_(share), near_share_(near_share), spread_(spread), asked_(std::move(asked)) {}

  /// How many absent turns are added to a record with `present` turns.
  std::size_t wanted(std::size_t present, std::size_t min_turns, std::size_t max_turns) const {
    const double missing =
        (share_ * static_cast<double>(turns_ + present) - static_cast<double>(absent_)) /
        (1 - share_);
    const auto room = max_turns > present ? max_turns - present : 0;
    const auto least = present < min_turns ? min_turns - present : 0;
    const auto count = missing <= 0 ? 0 : static_cast<std::size_t>(std::floor(missing));
    return std::min(std::max(count, least), std::min<std::size_t>(room, 2));
  }

  Labels choose(const SliceContent& content, std::size_t count, RandomStream& random) {
    Labels chosen;
    while (chosen.size() < count) {
      const bool near = near_ * (1 - near_share_) <= far_ * near_share_;
      bool is_near = near;
      std::string label = pick(content, is_near, chosen, random);
      if (label.empty()) {
        is_near = !near;
        label = pick(content, is_near, chosen, random);
      }
      if (label.empty()) break;
      (is_near ? near_ : far_) += 1;
      ++denied_[key(label, is_near)];
      chosen.push_back(label);
    }
    return chosen;
  }

  void count(std::size_t present, std::size_t absent) {
    turns_ += present + absent;
    absent_ += absent;
  }

 private:
  std::string key(const std::string& label, bool near) const {
    return spread_ == Spread::kNearAndFar && near ? "near " + label : label;
  }

  std::string pick(const SliceContent& content, bool near, const Labels& taken,
                   RandomStream& random) {
    std::string best;
    double best_load = 0;
    for (const auto& label : near ? content.absent_near : content.absent_far) {
      if (std::find(taken.begin(), taken.end(), label) != taken.end()) continue;
      const double asked = std::max(asked_[label], 1.0);
      const double share = spread_ == Spread::kNearAndFar ? std::sqrt(asked) : asked;
      const double load = (denied_[key(label, near)] + 2 * random.uniform()) / share;
      if (best.empty() || load < best_load) {
        best = label;
        best_load = load;
      }
    }
    return best;
  }

  double share_, near_share_;
  Spread spread_;
  std::map<std::string, double> asked_;
  std::map<std::string, double> denied_;
  std::size_t turns_ = 0;
  std::size_t absent_ = 0;
  double near_ = 0, far_ = 0;
};

/// The turns of one record before they are worded: groups of present structures, and absent ones.
struct Outline {
  std::vector<Labels> turns;  ///< of one structure: a plain question; of two or three: a joint one
  std::vector<bool> absent;
};

std::vector<Labels> grouped(Labels labels, std::size_t max_turns, RandomStream& random) {
  random.shuffle(labels);
  std::vector<Labels> groups;
  std::size_t at = 0;
  const double chance = random.uniform();
  if (labels.size() >= 3 && chance < 0.12) {
    groups.push_back({labels[0], labels[1], labels[2]});
    at = 3;
  } else if (labels.size() >= 2 && chance < (labels.size() >= 4 ? 0.6 : 0.35)) {
    groups.push_back({labels[0], labels[1]});
    at = 2;
  }
  while (at < labels.size()) {
    const bool crowded = labels.size() - at > max_turns - groups.size();
    const std::size_t size = crowded ? 2 : 1;
    groups.emplace_back(labels.begin() + static_cast<std::ptrdiff_t>(at),
                        labels.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return groups;
}

void insert_absent(Outline& outline, const Labels& denied, RandomStream& random) {
  for (const auto& label : denied) {
    const auto index = static_cast<std::ptrdiff_t>(random.below(outline.turns.size() + 1));
    outline.turns.insert(outline.turns.begin() + index, Labels{label});
    outline.absent.insert(outline.absent.begin() + index, true);
  }
}

bool asks_for(const std::vector<Labels>& groups, const std::string& label) {
  return std::any_of(groups.begin(), groups.end(), [&](const Labels& group) {
    return std::find(group.begin(), group.end(), label) != group.end();
  });
}

/// An answer about one structure states where it lies. Where a slice shows the structure outside
/// that region, training asks for it together with another one; otherwise the model would learn
/// that the stated region does not matter.
void pair_up(std::vector<Labels>& groups, const std::set<std::string>& beyond,
             const Labels& present) {
  for (auto group = groups.begin(); group != groups.end(); ++group) {
    if (group->size() != 1 || !beyond.contains(group->front())) continue;
    const auto other = std::find_if(std::next(group), groups.end(),
                                    [](const Labels& later) { return later.size() == 1; });
    if (other != groups.end()) {
      group->push_back(other->front());
      groups.erase(other);
      continue;
    }
    const auto companion = std::find_if(present.begin(), present.end(), [&](const auto& label) {
      return !beyond.contains(label) && !asks_for(groups, label);
    });
    if (companion != present.end()) group->push_back(*companion);
  }
}

Outline outline(const Labels& present, const SliceContent& content,
                const std::set<std::string>& beyond, AbsentTurns& absents, std::size_t min_turns,
                std::size_t max_turns, RandomStream& random) {
  Outline result;
  result.turns = grouped(present, max_turns, random);
  pair_up(result.turns, beyond, content.present);
  const std::size_t asked = result.turns.size();
  const auto denied = absents.choose(content, absents.wanted(asked, min_turns, max_turns), random);
  absents.count(asked, denied.size());
  result.absent.assign(asked, false);
  insert_absent(result, denied, random);
  return result;
}

/// One present structure between some absent ones.
Outline denying_outline(const SliceContent& content, const std::set<std::string>& beyond,
                        AbsentTurns& absents, RandomStream& random) {
  Outline result{.turns = {{content.present[random.below(content.present.size())]}},
                 .absent = {false}};
  pair_up(result.turns, beyond, content.present);
  insert_absent(result, absents.choose(content, kDenials, random), random);
  return result;
}

DemoTurn worded(const Labels& labels, bool absent, bool unseen, Wording& wording,
                const DemoLocations& locations, const DemoSlice& slice, RandomStream& random) {
  DemoTurn turn;
  const std::string group = unseen ? "unseen " : "seen ";
  // A structure has a deck of its own per slice, so that no wording is used twice for it.
  const std::string key = group + slice.id + " ";
  if (labels.size() == 1) {
    const auto& phrases = phrases_for(labels[0]);
    turn.question = wording.draw((absent ? group + "absent " : key) + labels[0],
                                 unseen ? phrases.unseen : phrases.questions);
  } else {
    turn.question = wording.draw(str_cat(group, "joint ", labels.size()),
                                 joint_questions(labels.size(), unseen));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto& phrases = phrases_for(labels[i]);
      turn.question = replaced(
          turn.question, str_cat("{", static_cast<char>('a' + i), "}"),
          wording.draw(group + "clue " + labels[i], unseen ? phrases.unseen_clues : phrases.clues));
    }
  }
  const auto& frames = question_frames();
  turn.question = framed(turn.question, frames[random.below(frames.size())]);
  const std::string view = view_of(slice.content);
  const std::string location = locations.location_of(slice.content, labels[0]);
  turn.answer = absent               ? absent_answer(view, labels[0], location)
                : labels.size() == 1 ? present_answer(view, labels[0], location)
                                     : joint_answer(view, labels);
  if (absent) {
    turn.absent = labels[0];
  } else {
    turn.targets = labels;
  }
  return turn;
}

DemoDialogue dialogue_of(const Outline& outline, std::size_t slice, const DemoSlice& shown,
                         bool unseen, Wording& wording, const DemoLocations& locations,
                         RandomStream& random) {
  DemoDialogue dialogue;
  dialogue.slice = slice;
  dialogue.phrasing = unseen ? "unseen" : "seen";
  for (std::size_t i = 0; i < outline.turns.size(); ++i) {
    dialogue.turns.push_back(
        worded(outline.turns[i], outline.absent[i], unseen, wording, locations, shown, random));
  }
  auto& first = dialogue.turns.front().question;
  first = "<image>\n" + first;
  return dialogue;
}

std::map<std::string, double> slices_per_structure(const std::vector<DemoSlice>& slices,
                                                   const std::string& split) {
  std::map<std::string, double> counts;
  for (const auto& slice : slices) {
    if (slice.split != split) continue;
    for (const auto& label : slice.content.present) ++counts[label];
  }
  return counts;
}

/// Structures of each record of a training slice: as often as their rarity asks for, never twice in
/// one record.
std::vector<Labels> training_records(const SliceContent& content,
                                     const std::map<std::string, std::size_t>& repeats,
                                     RandomStream& random) {
  Labels labels = content.present;
  random.shuffle(labels);
  std::stable_sort(labels.begin(), labels.end(),
                   [&](const auto& a, const auto& b) { return repeats.at(a) > repeats.at(b); });
  std::size_t total = 0;
  for (const auto& label : labels) total += repeats.at(label);
  const std::size_t count =
      std::max(repeats.at(labels.front()), (total + kMasksPerRecord - 1) / kMasksPerRecord);
  std::vector<Labels> records(count);
  for (const auto& label : labels) {
    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    random.shuffle(order);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return records[a].size() < records[b].size();
    });
    for (std::size_t i = 0; i < repeats.at(label); ++i) records[order[i]].push_back(label);
  }
  return records;
}

void plan_training(const std::vector<DemoSlice>& slices, const DemoLocations& locations,
                   std::uint64_t seed, std::vector<DemoDialogue>& out) {
  std::map<std::string, std::size_t> repeats;
  std::map<std::string, double> asked;
  for (const auto& [label, count] : slices_per_structure(slices, "train")) {
    const auto wanted = static_cast<std::size_t>(std::lround(kAsksPerStructure / count));
    repeats[label] = std::clamp(wanted, kFewestRepeats, kMostRepeats);
    asked[label] = count * static_cast<double>(repeats[label]);
  }
  std::vector<std::size_t> order;
  std::map<std::string, double> slices_of_scan;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].split != "train") continue;
    order.push_back(i);
    ++slices_of_scan[slices[i].content.scan];
  }
  RandomStream(seed, "demo/train order").shuffle(order);
  AbsentTurns absents(kMixedAbsentShare, kTrainNearShare, Spread::kNearAndFar, asked);
  Wording wording(seed, "demo/train wording");
  for (const std::size_t i : order) {
    RandomStream random(seed, "demo/train slice", i);
    std::vector<Outline> plans;
    const auto beyond = locations.beyond_their_place(slices[i].content);
    for (const auto& labels : training_records(slices[i].content, repeats, random)) {
      plans.push_back(
          outline(labels, slices[i].content, beyond, absents, 1, kMaxTrainTurns, random));
    }
    const auto wanted = static_cast<std::size_t>(
        std::lround(kDenyingRecords / slices_of_scan[slices[i].content.scan]));
    for (std::size_t n = std::clamp<std::size_t>(wanted, 1, kMostDenyingRecords); n > 0; --n)
      plans.push_back(denying_outline(slices[i].content, beyond, absents, random));
    std::size_t number = 0;
    for (const auto& plan : plans) {
      out.push_back(dialogue_of(plan, i, slices[i], false, wording, locations, random));
      out.back().id = str_cat(slices[i].id, "-", ++number);
    }
  }
}

/// Validation uses "seen" wordings only; test has the same turns in both kinds of wordings.
void plan_held_out(const std::vector<DemoSlice>& slices, const std::string& split,
                   const DemoLocations& locations, std::uint64_t seed,
                   std::vector<DemoDialogue>& out) {
  AbsentTurns absents(kAbsentShare, kNearShare, Spread::kAsAsked,
                      slices_per_structure(slices, split));
  Wording seen(seed, "demo/" + split + " wording");
  Wording unseen(seed, "demo/" + split + " unseen wording");
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].split != split) continue;
    RandomStream random(seed, "demo/" + split + " slice", i);
    Labels labels = slices[i].content.present;
    random.shuffle(labels);
    const std::size_t turns = split == "test" ? kMaxTestTurns : kMaxValTurns;
    const std::size_t records = (labels.size() + turns - 1) / turns;
    for (std::size_t r = 0; r < records; ++r) {
      Labels part;
      for (std::size_t at = r; at < labels.size(); at += records) part.push_back(labels[at]);
      const auto plan = outline(part, slices[i].content, {}, absents, 1, turns, random);
      out.push_back(dialogue_of(plan, i, slices[i], false, seen, locations, random));
      out.back().id = str_cat(slices[i].id, "-", r + 1);
      if (split != "test") continue;
      out.push_back(dialogue_of(plan, i, slices[i], true, unseen, locations, random));
      out.back().id = str_cat(slices[i].id, "-", r + 1, "-unseen");
    }
  }
}

}  // namespace

std::vector<DemoDialogue> plan_dialogues(const std::vector<DemoSlice>& slices, std::uint64_t seed) {
  std::vector<DemoDialogue> dialogues;
  const DemoLocations locations(slices);
  plan_training(slices, locations, seed, dialogues);
  std::stable_sort(dialogues.begin(), dialogues.end(),
                   [](const auto& a, const auto& b) { return a.slice < b.slice; });
  plan_held_out(slices, "val", locations, seed, dialogues);
  plan_held_out(slices, "test", locations, seed, dialogues);
  return dialogues;
}

}  // namespace medseg
