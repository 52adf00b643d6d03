// Protocol `strict`: a miss is the worst case, absent targets stand apart.
#include <algorithm>
#include <cmath>

#include "medseg/metrics/absent.h"
#include "medseg/metrics/boundary.h"
#include "medseg/metrics/calibration.h"
#include "medseg/metrics/detection.h"
#include "medseg/metrics/text_scores.h"
#include "protocol_parts.h"

namespace medseg {
namespace {

using Names = std::vector<std::string>;

const std::vector<std::pair<std::string, double SurfaceScores::*>> kSurfaces = {
    {"hd95_monai", &SurfaceScores::hd95_monai},
    {"hd95_deepmind", &SurfaceScores::hd95_deepmind},
    {"assd", &SurfaceScores::assd},
    {"nsd_monai", &SurfaceScores::nsd_monai},
    {"nsd_deepmind", &SurfaceScores::nsd_deepmind}};

Metrics surface_means(const std::vector<SurfaceScores>& scores, const std::string& prefix) {
  Metrics metrics;
  for (const auto& [name, member] : kSurfaces) {
    std::vector<double> values;
    for (const auto& one : scores) values.push_back(one.*member);
    metrics.emplace_back(prefix + name, mean_of(values));
  }
  return metrics;
}

void append(Metrics& metrics, const Metrics& more) {
  metrics.insert(metrics.end(), more.begin(), more.end());
}

double group_mean(const std::map<std::string, std::vector<double>>& groups) {
  std::vector<double> means;
  for (const auto& [name, values] : groups) means.push_back(mean_of(values));
  return mean_of(means);
}

// --- items ---------------------------------------------------------------------

void add_items(const std::vector<CaseRow>& rows, const Replay& replay, ProtocolResult& result) {
  std::vector<double> dice, iou, boundary;
  std::vector<SurfaceScores> surfaces;
  std::map<std::string, std::vector<double>> by_target, by_subject;
  for (const auto& row : rows) {
    dice.push_back(row.dice);
    iou.push_back(row.iou);
    boundary.push_back(row.boundary_iou);
    surfaces.push_back(row.surfaces);
    by_target[row.target].push_back(row.dice);
    by_subject[row.subject].push_back(row.dice);
  }
  double intersection = 0, union_ = 0, predicted = 0, reference = 0;
  std::int64_t empty = 0;
  for (const auto& item : replay.items()) {
    if (item.counts.reference == 0) {
      ++empty;
      continue;
    }
    intersection += static_cast<double>(item.counts.intersection);
    union_ += static_cast<double>(item.counts.union_());
    predicted += static_cast<double>(item.counts.predicted);
    reference += static_cast<double>(item.counts.reference);
  }
  result.n = static_cast<std::int64_t>(rows.size());
  result.metrics = {{"dice", mean_of(dice)},
                    {"iou", mean_of(iou)},
                    {"ciou", rows.empty() ? kNan : intersection / union_},
                    {"dice_over_targets", group_mean(by_target)},
                    {"dice_over_subjects", group_mean(by_subject)},
                    {"pixel_precision", predicted == 0 ? kNan : intersection / predicted},
                    {"pixel_recall", reference == 0 ? kNan : intersection / reference},
                    {"boundary_iou", mean_of(boundary)}};
  append(result.metrics, surface_means(surfaces, ""));
  result.counts.emplace_back("empty_reference", empty);
}

GroupResult group_result(const std::vector<const CaseRow*>& rows) {
  std::vector<double> dice, iou;
  std::vector<SurfaceScores> surfaces;
  for (const auto* row : rows) {
    dice.push_back(row->dice);
    iou.push_back(row->iou);
    surfaces.push_back(row->surfaces);
  }
  GroupResult group{static_cast<std::int64_t>(rows.size()),
                    {{"dice", mean_of(dice)}, {"iou", mean_of(iou)}}};
  append(group.metrics, surface_means(surfaces, ""));
  return group;
}

void add_row_groups(const std::vector<CaseRow>& rows, ProtocolResult& result) {
  std::map<std::string, std::vector<const CaseRow*>> targets, modalities;
  for (const auto& row : rows) {
    targets[row.target].push_back(&row);
    if (!row.modality.empty()) modalities[row.modality].push_back(&row);
  }
  for (const auto& [name, members] : targets) result.by_target[name] = group_result(members);
  for (const auto& [name, members] : modalities) result.by_modality[name] = group_result(members);
}

// --- matching and detection ------------------------------------------------------

struct Matching {
  double dice = 0, iou = 0;
  std::int64_t hits = 0, masks = 0;
  std::int64_t agreeing = 0, overlapping = 0;  // masks with a phrase that meet a reference
  std::vector<DetectionImage> images;
  std::vector<ScoredCase> scored;  // is each mask a hit of some reference?
};

double total_of(const Matrix& gain) {
  double total = 0;
  const auto assigned = assign_max_total(gain);
  for (std::size_t r = 0; r < assigned.size(); ++r) {
    if (assigned[r] >= 0) total += gain.at(r, static_cast<std::size_t>(assigned[r]));
  }
  return total;
}

void add_turn(const ReplayTurn& turn, Matching& matching) {
  Names targets;
  std::vector<PackedMask> reference;
  for (std::size_t i = 0; i < turn.reference.size(); ++i) {
    if (turn.reference[i].empty()) continue;
    reference.push_back(turn.reference[i]);
    targets.push_back(turn.targets[i]);
  }
  const Matrix iou = iou_matrix(turn.predicted, reference, 0);
  Matrix dice = iou;
  for (auto& value : dice.values) value = 2 * value / (1 + value);
  matching.dice += total_of(dice);
  matching.iou += total_of(iou);
  matching.hits += matched_pairs(iou, 0.5);
  matching.masks += static_cast<std::int64_t>(turn.predicted.size());
  for (std::size_t m = 0; m < iou.rows; ++m) {
    std::size_t best = 0;
    for (std::size_t r = 1; r < iou.columns; ++r) best = iou.at(m, r) > iou.at(m, best) ? r : best;
    const double overlap = iou.columns == 0 ? 0 : iou.at(m, best);
    matching.scored.push_back({turn.scores[m], overlap >= 0.5});
    if (overlap == 0 || m >= turn.phrases.size()) continue;
    ++matching.overlapping;
    matching.agreeing += same_name(turn.phrases[m], targets[best]);
  }
  matching.images.push_back({turn.scores, iou});
}

void add_matching(const Replay& replay, ProtocolResult& result) {
  Matching matching;
  for (const auto& turn : replay.turns()) add_turn(turn, matching);
  const auto n = static_cast<double>(result.n);
  const bool none = result.n == 0;
  append(result.metrics,
         {{"dice_matched", none ? kNan : matching.dice / n},
          {"iou_matched", none ? kNan : matching.iou / n},
          {"precision_50", share_of(matching.hits, matching.masks)},
          {"recall_50", share_of(matching.hits, result.n)},
          {"f1_50", share_of(2 * matching.hits, matching.masks + result.n)},
          {"ap50", average_precision(matching.images, 0.5)},
          {"ap50_95", average_precision_50_95(matching.images)},
          {"phrase_mask_agreement", share_of(matching.agreeing, matching.overlapping)},
          {"score_ece", expected_calibration_error(matching.scored)}});
}

// --- absent targets --------------------------------------------------------------

void add_absent(const Replay& replay, ProtocolResult& result) {
  PresenceCounts pixels, masks;
  std::vector<double> areas, iou;
  double intersection = 0, union_ = 0;
  std::int64_t present = 0, hits = 0, drawn = 0, asked = 0;
  std::vector<std::int64_t> reached(3);
  for (const auto& turn : replay.turns()) {
    if (turn.reference.empty() && !turn.asks_absent) continue;
    const auto counts =
        count_overlap(union_of(turn.predicted, turn.size()), union_of(turn.reference, turn.size()));
    const bool holds = counts.reference > 0;
    pixels.add(holds, counts.predicted > 0);
    masks.add(holds, !turn.predicted.empty());
    if (turn.asks_absent) areas.push_back(share_of(counts.predicted, turn.height * turn.width));
    intersection += static_cast<double>(counts.intersection);
    union_ += static_cast<double>(counts.union_());
    const double value = holds ? plain_iou(counts) : counts.predicted == 0 ? 1 : 0;
    iou.push_back(value);
    if (!holds) continue;
    ++present;
    for (std::size_t t = 0; t < 3; ++t) reached[t] += value >= 0.7 + 0.1 * static_cast<double>(t);
    const Matrix pairs = iou_matrix(turn.predicted, turn.reference, 0);
    hits += matched_pairs(pairs, 0.5);
    drawn += static_cast<std::int64_t>(turn.predicted.size());
    asked += static_cast<std::int64_t>(turn.reference.size());
  }
  const double f1 = share_of(2 * hits, drawn + asked);
  append(result.metrics, {{"false_positive_area", mean_of(areas)},
                          {"n_acc", pixels.n_acc()},
                          {"t_acc", pixels.t_acc()},
                          {"gres_giou", mean_of(iou)},
                          {"gres_ciou", iou.empty()   ? kNan
                                        : union_ == 0 ? kNan
                                                      : intersection / union_},
                          {"gres_pr_at_0.7", share_of(reached[0], present)},
                          {"gres_pr_at_0.8", share_of(reached[1], present)},
                          {"gres_pr_at_0.9", share_of(reached[2], present)},
                          {"image_mcc", masks.mcc()},
                          {"cgf1", f1 * masks.mcc()}});
}

void add_shares(const Replay& replay, ProtocolResult& result) {
  std::int64_t exact = 0, named = 0, drawn = 0;
  for (const auto& turn : replay.turns()) {
    exact += turn.predicted.size() == turn.reference.size();
    drawn += turn.asks_absent && !turn.predicted.empty();
    for (std::size_t i = 0; i < std::min(turn.targets.size(), turn.phrases.size()); ++i)
      named += same_name(turn.phrases[i], turn.targets[i]);
  }
  append(result.metrics,
         {{"seg_count_accuracy", share_of(exact, result.turns)},
          {"name_accuracy", share_of(named, static_cast<std::int64_t>(replay.items().size()))},
          {"false_positive_rate", share_of(drawn, result.absent)}});
}

// --- volumes, words, intervals -----------------------------------------------------

void add_volumes(const Replay& replay, ProtocolResult& result) {
  const auto all = put_together(replay);
  std::vector<double> dice;
  std::vector<SurfaceScores> surfaces;
  for (const auto& put : all.cases) {
    if (put.dimensions == Dimensions::kImage) continue;
    for (const auto& label : put.labels) {
      if (label.reference.empty()) continue;
      dice.push_back(plain_dice(count_overlap(label.predicted, label.reference)));
      surfaces.push_back(
          worst_case_scores(surface_scores(label.predicted, label.reference, put.spacing,
                                           put.dimensions, replay.tolerance_mm()),
                            put.size, put.spacing, put.dimensions));
    }
  }
  result.metrics.emplace_back("volume_dice", mean_of(dice));
  append(result.metrics, surface_means(surfaces, "volume_"));
  result.counts.emplace_back("volumes", static_cast<std::int64_t>(dice.size()));
  result.counts.emplace_back("unattributed", all.unattributed);
}

void add_words(const Replay& replay, ProtocolResult& result) {
  std::vector<TextPair> pairs;
  for (const auto& turn : replay.turns()) pairs.push_back({turn.answer, turn.text});
  const TextScores words = text_scores(pairs);
  append(result.metrics, {{"bleu", words.bleu},
                          {"rouge_1", words.rouge_1},
                          {"rouge_2", words.rouge_2},
                          {"rouge_l", words.rouge_l},
                          {"cider", words.cider},
                          {"meteor_exact_stem", words.meteor_exact_stem},
                          {"exact_match", words.exact_match},
                          {"normalised_match", words.normalised_match}});
}

Interval interval_of(const std::vector<CaseRow>& rows, double CaseRow::*value, bool by_case) {
  std::map<std::string, GroupSum> groups;
  for (const auto& row : rows) {
    auto& group = groups[by_case ? std::to_string(groups.size()) : row.subject];
    group.sum += row.*value;
    ++group.count;
  }
  std::vector<GroupSum> sums;
  for (const auto& [name, group] : groups) sums.push_back(group);
  return bootstrap_mean(sums);
}

}  // namespace

void score_strict(const Replay& replay, ProtocolResult& result) {
  const auto rows = case_rows(replay);
  add_items(rows, replay, result);
  add_row_groups(rows, result);
  add_matching(replay, result);
  add_shares(replay, result);
  add_absent(replay, result);
  add_volumes(replay, result);
  add_words(replay, result);
  const auto unknown =
      std::count_if(replay.items().begin(), replay.items().end(), [&](const ReplayItem& item) {
        return item.counts.reference > 0 && !replay.turn_of(item).spacing;
      });
  result.counts.emplace_back("spacing_unknown", unknown);
  result.intervals["dice"] = interval_of(rows, &CaseRow::dice, /*by_case=*/false);
  result.intervals["iou"] = interval_of(rows, &CaseRow::iou, /*by_case=*/false);
  result.intervals["dice_by_case"] = interval_of(rows, &CaseRow::dice, /*by_case=*/true);
  result.intervals["iou_by_case"] = interval_of(rows, &CaseRow::iou, /*by_case=*/true);
}

}  // namespace medseg
