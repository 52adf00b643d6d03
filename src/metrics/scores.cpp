#include "medseg/metrics/scores.h"

#include <algorithm>
#include <cctype>
#include <limits>

#include "medseg/base/str.h"

namespace medseg {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(part) / static_cast<double>(whole);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return trim(text);
}

std::int64_t union_area(const std::vector<Mask>& masks) {
  if (masks.empty()) return 0;
  Mask all = masks.front();
  for (const auto& mask : masks) all = mask_union(all, mask);
  return all.area();
}

std::map<std::string, GroupScores> group_scores(const std::map<std::string, OverlapMean>& groups) {
  std::map<std::string, GroupScores> scores;
  for (const auto& [name, mean] : groups) {
    scores[name] = {mean.count(), mean.giou(), mean.ciou(), mean.mean_dice()};
  }
  return scores;
}

}  // namespace

void ScoreBoard::add(const ScoredTurn& turn) {
  MEDSEG_CHECK(
      turn.targets.size() == turn.reference.size(),
      str_cat("ScoreBoard: ", turn.targets.size(), " targets, ", turn.reference.size(), " masks"));
  const std::size_t expected = turn.reference.size(), emitted = turn.predicted.size();
  ++turns_;
  exact_count_ += emitted == expected;
  failed_ += turn.failed;
  if (turn.asks_absent) {
    ++absent_;
    false_positive_ += emitted > 0;
    absent_drawn_.push_back({.predicted = union_area(turn.predicted)});
  }
  if (emitted > expected) spurious_ += static_cast<std::int64_t>(emitted - expected);
  if (emitted < expected) missed_ += static_cast<std::int64_t>(expected - emitted);
  for (std::size_t i = 0; i < expected; ++i) {
    const Mask& reference = turn.reference[i];
    const OverlapCounts counts = i < emitted ? count_overlap(turn.predicted[i], reference)
                                             : OverlapCounts{.reference = reference.area()};
    all_.add(counts);
    by_modality_[turn.modality].add(counts);
    by_target_[turn.targets[i]].add(counts);
    if (!turn.phrasing.empty()) by_phrasing_[turn.phrasing].add(counts);
    named_ += i < turn.phrases.size() && lower(turn.phrases[i]) == lower(turn.targets[i]);
  }
}

Scores ScoreBoard::scores() const {
  Scores scores;
  scores.n = all_.count();
  scores.turns = turns_;
  scores.missed = missed_;
  scores.absent = absent_;
  scores.spurious = spurious_;
  scores.failed = failed_;
  scores.giou = all_.giou();
  scores.ciou = all_.ciou();
  scores.dice = all_.mean_dice();
  double sum = 0;
  for (const auto& [name, mean] : by_target_) sum += mean.mean_dice();
  scores.dice_over_targets = by_target_.empty() ? std::numeric_limits<double>::quiet_NaN()
                                                : sum / static_cast<double>(by_target_.size());
  scores.seg_count_accuracy = ratio(exact_count_, turns_);
  scores.name_accuracy = ratio(named_, all_.count());
  scores.false_positive_rate = ratio(false_positive_, absent_);
  OverlapMean with_absent = all_;
  for (const auto& counts : absent_drawn_) with_absent.add(counts);
  scores.giou_with_absent = with_absent.giou();
  scores.ciou_with_absent = with_absent.ciou();
  scores.by_modality = group_scores(by_modality_);
  scores.by_target = group_scores(by_target_);
  scores.by_phrasing = group_scores(by_phrasing_);
  return scores;
}

}  // namespace medseg
