// GLaMM's grounded conversation generation (eval/gcg/evaluate.py): all masks of a turn against all
// references.
#include <algorithm>
#include <cmath>

#include "medseg/metrics/detection.h"
#include "medseg/metrics/text_scores.h"
#include "protocol_parts.h"

namespace medseg {
namespace {

// Mean IoU of the pairs that are taken from the largest down; 0 without any, and 0 for the turn if
// any pair is empty on both sides.
double greedy_iou(const ReplayTurn& turn) {
  Matrix iou = iou_matrix(turn.predicted, turn.reference, kNan);
  for (const double value : iou.values) {
    if (std::isnan(value)) return 0;
  }
  std::vector<double> taken;
  while (!iou.values.empty()) {
    const auto largest = std::max_element(iou.values.begin(), iou.values.end());
    if (*largest <= 0) break;
    taken.push_back(*largest);
    const auto at = static_cast<std::size_t>(largest - iou.values.begin());
    for (std::size_t c = 0; c < iou.columns; ++c) iou.at(at / iou.columns, c) = 0;
    for (std::size_t r = 0; r < iou.rows; ++r) iou.at(r, at % iou.columns) = 0;
  }
  return taken.empty() ? 0 : mean_of(taken);
}

// The first largest cell, a NaN before any number, as numpy's argmax.
std::size_t first_largest(const std::vector<double>& values) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return i;
    if (values[i] > values[best]) best = i;
  }
  return best;
}

// References found by masks of IoU >= 0.5. `by_name`: label and phrase must be equal as well, and a
// mask without a phrase spoils the turn (the original raises there).
std::int64_t hits_of(const ReplayTurn& turn, bool by_name) {
  Matrix iou = iou_matrix(turn.reference, turn.predicted, kNan);
  std::int64_t hits = 0;
  while (!iou.values.empty()) {
    const std::size_t at = first_largest(iou.values);
    if (iou.values[at] < 0.5) break;
    const std::size_t r = at / iou.columns, m = at % iou.columns;
    if (by_name && m >= turn.phrases.size()) return 0;
    if (by_name && !same_name(turn.targets[r], turn.phrases[m])) break;
    ++hits;
    for (std::size_t c = 0; c < iou.columns; ++c) iou.at(r, c) = 0;
    for (std::size_t other = 0; other < iou.rows; ++other) iou.at(other, m) = 0;
  }
  return hits;
}

}  // namespace

void score_glamm_gcg(const Replay& replay, ProtocolResult& result) {
  std::vector<DetectionImage> images;
  std::vector<TextPair> texts;
  std::vector<double> iou;
  std::int64_t references = 0, hits = 0, named_hits = 0;
  for (const auto& turn : replay.turns()) {
    if (turn.reference.empty()) continue;
    ++result.n;
    references += static_cast<std::int64_t>(turn.reference.size());
    images.push_back({std::vector<double>(turn.predicted.size(), 1.0),
                      iou_matrix(turn.predicted, turn.reference, 0)});
    texts.push_back({turn.answer, turn.text});
    iou.push_back(greedy_iou(turn));
    hits += hits_of(turn, /*by_name=*/false);
    named_hits += hits_of(turn, /*by_name=*/true);
  }
  const TextScores words = text_scores(texts);
  result.metrics = {{"ap50", average_precision(images, 0.5)},
                    {"miou", mean_of(iou)},
                    {"recall_iou", share_of(hits, references)},
                    {"recall_exact", share_of(named_hits, references)},
                    {"cider", words.cider},
                    {"meteor_exact_stem", words.meteor_exact_stem}};
}

}  // namespace medseg
