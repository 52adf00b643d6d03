#include "medseg/metrics/threshold.h"

#include <algorithm>
#include <limits>
#include <set>

#include "medseg/base/error.h"
#include "protocol_parts.h"

namespace medseg {
namespace {

void apply(ReplayTurn& turn, double threshold) {
  std::size_t kept = 0;
  for (std::size_t m = 0; m < turn.predicted.size(); ++m) {
    if (turn.scores[m] >= threshold) {
      kept = m + 1;
      continue;
    }
    turn.predicted[m] = PackedMask(turn.size());
    if (m < turn.probable.size()) turn.probable[m] = PackedMask(turn.size());
  }
  turn.predicted.resize(kept);
  turn.scores.resize(kept);
  if (turn.probable.size() > kept) turn.probable.resize(kept);
  if (turn.phrases.size() > kept) turn.phrases.resize(kept);
}

// What a threshold changes: a reference's mask by its score, an absent turn by its surest mask.
struct Question {
  double score = 0;
  double dice = 0;  // of a reference
  bool absent = false;
};

std::vector<Question> questions_of(const Replay& replay) {
  std::vector<Question> questions;
  for (const auto& item : replay.items()) {
    if (item.counts.reference == 0) continue;
    const auto& turn = replay.turn_of(item);
    const double score = item.missing ? -1 : turn.scores[item.index];
    questions.push_back({score, plain_dice(item.counts), false});
  }
  for (const auto& turn : replay.turns()) {
    if (!turn.asks_absent) continue;
    double surest = -1;
    for (const double score : turn.scores) surest = std::max(surest, score);
    questions.push_back({surest, 0, true});
  }
  return questions;
}

struct Sums {
  double dice = 0;
  std::int64_t drawn = 0, references = 0, absent = 0;

  double right() const {
    return (dice + static_cast<double>(absent - drawn)) / static_cast<double>(references + absent);
  }
  double mean_dice() const {
    return references == 0 ? kNan : dice / static_cast<double>(references);
  }
};

Sums sums_at(const std::vector<Question>& questions, double threshold) {
  Sums sums;
  for (const auto& question : questions) {
    const bool drawn = question.score >= threshold && question.score >= 0;
    ++(question.absent ? sums.absent : sums.references);
    if (!drawn) continue;
    if (question.absent) {
      ++sums.drawn;
    } else {
      sums.dice += question.dice;
    }
  }
  return sums;
}

}  // namespace

Replay with_threshold(const Replay& replay, double threshold) {
  auto turns = replay.turns();
  for (auto& turn : turns) apply(turn, threshold);
  return Replay(std::move(turns), replay.tolerance_mm());
}

ThresholdChoice choose_threshold(const Replay& replay) {
  auto questions = questions_of(replay);
  ThresholdChoice choice;
  std::set<double> scores;
  for (const auto& turn : replay.turns()) {
    scores.insert(turn.scores.begin(), turn.scores.end());
    choice.masks += static_cast<std::int64_t>(turn.scores.size());
  }
  if (scores.size() < 2) {
    throw DataError(
        "all masks have the same score: there is no threshold to choose; expected "
        "\"score\" of each mask in the predictions");
  }
  // From the least sure question up: behind each change of score, all before it are not drawn.
  std::sort(questions.begin(), questions.end(),
            [](const auto& a, const auto& b) { return a.score < b.score; });
  const Sums all = sums_at(questions, 0);
  Sums left = all;
  double best = all.right();
  for (std::size_t i = 0; i + 1 < questions.size(); ++i) {
    if (questions[i].score >= 0) {
      left.dice -= questions[i].dice;
      left.drawn -= questions[i].absent;
    }
    const double next = questions[i + 1].score;
    if (next == questions[i].score || questions[i].score < 0) continue;
    if (left.right() <= best + 1e-12) continue;
    best = left.right();
    choice.threshold = (questions[i].score + next) / 2;
  }
  const Sums at = sums_at(questions, choice.threshold);
  choice.right = at.right();
  choice.right_without = all.right();
  choice.dice = at.mean_dice();
  choice.dice_without = all.mean_dice();
  choice.references = all.references;
  choice.absent = all.absent;
  choice.false_positive_rate = share_of(at.drawn, all.absent);
  choice.false_positive_rate_without = share_of(all.drawn, all.absent);
  return choice;
}

}  // namespace medseg
