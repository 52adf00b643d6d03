// Protocols that average over items (a reference and the mask of its position) or over turns.
#include <algorithm>
#include <cmath>

#include "medseg/base/str.h"
#include "protocol_parts.h"

namespace medseg {
namespace {

constexpr std::size_t kUniBiomedItems = 300;  // eval_seg2D.py scores no more

std::int64_t count_of(const Replay& replay) {
  return static_cast<std::int64_t>(replay.items().size());
}

OverlapMean overlap_of(const Replay& replay, const std::vector<std::size_t>& items) {
  OverlapMean mean;
  for (const auto i : items) mean.add(replay.items()[i].counts);
  return mean;
}

OverlapMean overlap_of(const Replay& replay) {
  OverlapMean mean;
  for (const auto& item : replay.items()) mean.add(item.counts);
  return mean;
}

OverlapMean with_absent(const Replay& replay, OverlapMean mean) {
  for (const auto& counts : absent_counts(replay)) mean.add(counts);
  return mean;
}

void add_giou(const Replay& replay, const OverlapMean& mean, ProtocolResult& result) {
  const OverlapMean all = with_absent(replay, mean);
  result.metrics = {{"giou", mean.giou()},
                    {"ciou", mean.ciou()},
                    {"giou_with_absent", all.giou()},
                    {"ciou_with_absent", all.ciou()}};
}

bool is_named(const ReplayTurn& turn, const ReplayItem& item) {
  return item.index < turn.phrases.size() &&
         same_name(turn.phrases[item.index], turn.targets[item.index]);
}

double named_share(const Replay& replay) {
  std::int64_t named = 0;
  for (const auto& item : replay.items()) named += is_named(replay.turn_of(item), item);
  return share_of(named, count_of(replay));
}

// The sums of PixelLM's MUSE over one turn's pairs.
struct MuseSums {
  double iou = 0, intersection = 0, union_ = 0;

  void add(const OverlapCounts& counts) {
    iou += medseg::iou(counts);
    intersection += static_cast<double>(counts.intersection);
    union_ += static_cast<double>(counts.union_());
  }
};

void add_muse_turn(const ReplayTurn& turn, MuseSums& sums) {
  Matrix cost(turn.predicted.size(), turn.reference.size());
  const auto pixels = static_cast<double>(turn.height * turn.width);
  for (std::size_t m = 0; m < cost.rows; ++m) {
    for (std::size_t r = 0; r < cost.columns; ++r) {
      const auto counts = count_overlap(turn.predicted[m], turn.reference[r]);
      const auto both = static_cast<double>(counts.predicted + counts.reference);
      const auto twice = 2 * static_cast<double>(counts.intersection);
      cost.at(m, r) = (both - twice) / pixels + 1 - (twice + 1) / (both + 1);
    }
  }
  std::vector<bool> taken(turn.reference.size());
  const auto assigned = assign_min_cost(cost);
  for (std::size_t m = 0; m < assigned.size(); ++m) {
    if (assigned[m] < 0) {
      sums.add({.predicted = turn.predicted[m].area()});
      continue;
    }
    const auto r = static_cast<std::size_t>(assigned[m]);
    taken[r] = true;
    sums.add(count_overlap(turn.predicted[m], turn.reference[r]));
  }
  for (std::size_t r = 0; r < taken.size(); ++r) {
    if (!taken[r]) sums.add({.reference = turn.reference[r].area()});
  }
}

// MONAI's reduction: what is not NaN, infinities kept; 0 if all are NaN.
double monai_mean(const std::vector<double>& values) {
  std::vector<double> kept;
  std::copy_if(values.begin(), values.end(), std::back_inserter(kept),
               [](double value) { return !std::isnan(value); });
  return kept.empty() ? 0 : mean_of(kept);
}

double finite_mean(const std::vector<double>& values) {
  std::vector<double> kept;
  std::copy_if(values.begin(), values.end(), std::back_inserter(kept),
               [](double value) { return std::isfinite(value); });
  return mean_of(kept);
}

double monai_dice(const OverlapCounts& counts, bool count_empty) {
  if (counts.reference > 0) return plain_dice(counts);
  if (!count_empty) return kNan;
  return counts.predicted == 0 ? 1 : 0;
}

double biomedparse_iou(const OverlapCounts& counts) {
  return static_cast<double>(counts.intersection) / (static_cast<double>(counts.union_()) + 1e-6);
}

double biomedparse_dice(const OverlapCounts& counts) {
  return 2 * static_cast<double>(counts.intersection) /
         (static_cast<double>(counts.predicted + counts.reference) + 1e-6);
}

bool reaches(const OverlapCounts& counts, float threshold) {
  return static_cast<float>(counts.intersection) / (static_cast<float>(counts.union_()) + 1e-6F) >=
         threshold;
}

double medplib_iou(const Replay& replay, const ReplayItem& item) {
  if (item.missing) return 0;
  const auto& turn = replay.turn_of(item);
  const auto counts = count_overlap(turn.probable[item.index], turn.reference[item.index]);
  return counts.union_() == 0 ? 0 : plain_iou(counts);
}

// Sums of one subject's values; of a ratio, the numerators and denominators.
using SubjectSums = std::map<std::string, GroupSum>;

void add_value(SubjectSums& sums, const ReplayTurn& turn, double value, std::int64_t weight = 1) {
  auto& sum = sums[turn.group()];
  sum.sum += value;
  sum.count += weight;
}

Interval interval_of(const SubjectSums& sums) {
  std::vector<GroupSum> groups;
  for (const auto& [subject, sum] : sums) groups.push_back(sum);
  return bootstrap_mean(groups);
}

// By subject, or by record where no subject is known.
void add_lisa_intervals(const Replay& replay, ProtocolResult& result) {
  SubjectSums giou, ciou, dice, named, exact, drawn;
  for (const auto& item : replay.items()) {
    const auto& turn = replay.turn_of(item);
    add_value(giou, turn, iou(item.counts));
    add_value(dice, turn, medseg::dice(item.counts));
    add_value(ciou, turn, static_cast<double>(item.counts.intersection), item.counts.union_());
    add_value(named, turn, is_named(turn, item) ? 1 : 0);
  }
  for (const auto& turn : replay.turns()) {
    add_value(exact, turn, turn.predicted.size() == turn.reference.size() ? 1 : 0);
    if (turn.asks_absent) add_value(drawn, turn, turn.predicted.empty() ? 0 : 1);
  }
  std::erase_if(ciou, [](const auto& subject) { return subject.second.count == 0; });
  const std::vector<std::pair<const char*, const SubjectSums*>> all = {
      {"giou", &giou},
      {"ciou", &ciou},
      {"dice", &dice},
      {"name_accuracy", &named},
      {"seg_count_accuracy", &exact},
      {"false_positive_rate", &drawn}};
  for (const auto& [name, sums] : all) {
    if (!sums->empty()) result.intervals[name] = interval_of(*sums);
  }
}

template <class Value>
std::vector<double> values_of(const Replay& replay, Value value) {
  std::vector<double> values;
  for (const auto& item : replay.items()) values.push_back(value(item));
  return values;
}

std::vector<double> picked(const std::vector<double>& values,
                           const std::vector<std::size_t>& items) {
  std::vector<double> some;
  for (const auto i : items) some.push_back(values[i]);
  return some;
}

}  // namespace

void score_lisa(const Replay& replay, ProtocolResult& result) {
  const OverlapMean mean = overlap_of(replay), all = with_absent(replay, mean);
  result.n = mean.count();
  const GroupMetrics group = [&](const std::vector<std::size_t>& items) {
    const OverlapMean own = overlap_of(replay, items);
    return Metrics{{"giou", own.giou()}, {"ciou", own.ciou()}, {"dice", own.mean_dice()}};
  };
  add_groups(replay, group, result, /*phrasing=*/true);
  std::vector<double> dice_of_targets;
  for (const auto& [name, target] : result.by_target)
    dice_of_targets.push_back(target.metrics[2].second);
  std::int64_t exact = 0, absent = 0, drawn = 0;
  for (const auto& turn : replay.turns()) {
    exact += turn.predicted.size() == turn.reference.size();
    absent += turn.asks_absent;
    drawn += turn.asks_absent && !turn.predicted.empty();
  }
  result.metrics = {
      {"giou", mean.giou()},
      {"ciou", mean.ciou()},
      {"dice", mean.mean_dice()},
      {"dice_over_targets", mean_of(dice_of_targets)},
      {"seg_count_accuracy", share_of(exact, static_cast<std::int64_t>(replay.turns().size()))},
      {"name_accuracy", named_share(replay)},
      {"false_positive_rate", share_of(drawn, absent)},
      {"giou_with_absent", all.giou()},
      {"ciou_with_absent", all.ciou()}};
  add_lisa_intervals(replay, result);
}

void score_glamm(const Replay& replay, ProtocolResult& result) {
  result.n = count_of(replay);
  add_giou(replay, overlap_of(replay), result);
  const GroupMetrics group = [&](const std::vector<std::size_t>& items) {
    const OverlapMean own = overlap_of(replay, items);
    return Metrics{{"giou", own.giou()}, {"ciou", own.ciou()}};
  };
  add_groups(replay, group, result);
}

void score_pixellm(const Replay& replay, ProtocolResult& result) {
  score_glamm(replay, result);
  MuseSums sums;
  std::map<std::string, std::pair<double, double>> masks;  // of each record: drawn, asked for
  for (const auto& turn : replay.turns()) {
    if (turn.reference.empty()) continue;
    add_muse_turn(turn, sums);
    masks[turn.id].first += static_cast<double>(turn.predicted.size());
    masks[turn.id].second += static_cast<double>(turn.reference.size());
  }
  double pairs = 0;
  for (const auto& [id, counts] : masks) pairs += std::max(counts.first, counts.second);
  result.metrics.emplace_back("muse_giou", pairs == 0 ? kNan : sums.iou / pairs);
  result.metrics.emplace_back("muse_ciou",
                              pairs == 0 ? kNan : sums.intersection / (sums.union_ + 1e-10));
}

void score_sa2va(const Replay& replay, ProtocolResult& result) {
  OverlapMean mean;
  for (const auto& turn : replay.turns()) {
    if (turn.reference.empty()) continue;
    mean.add(count_overlap(union_of(turn.predicted, turn.size()),
                           union_of(turn.reference, turn.size())));
  }
  result.n = mean.count();
  add_giou(replay, mean, result);
}

void score_unibiomed(const Replay& replay, ProtocolResult& result) {
  struct Class {
    double dice = 0, iou = 0, count = 0;
  };
  const auto add_means = [](const std::map<std::string, Class>& classes, const std::string& prefix,
                            ProtocolResult& into) {
    double class_dice = 0, class_iou = 0, dice = 0, iou = 0, count = 0;
    for (const auto& [name, one] : classes) {
      class_dice += one.dice / (one.count + 1e-6);
      class_iou += one.iou / (one.count + 1e-6);
      dice += one.dice;
      iou += one.iou;
      count += one.count;
    }
    const auto all = static_cast<double>(classes.size());
    const bool none = classes.empty();
    const auto add = [&](const char* name, double value) {
      into.metrics.emplace_back(prefix + name, none ? kNan : value);
    };
    add("mean_class_dice", class_dice / (all + 1e-6));
    add("mean_dice", all * dice / (all * count + 1e-6));
    add("mean_class_iou", class_iou / (all + 1e-6));
    add("mean_iou", all * iou / (all * count + 1e-6));
  };
  const auto add_to = [](Class& one, const OverlapCounts& counts) {
    one.dice += plain_dice(counts);
    one.iou += plain_iou(counts);
    one.count += 1;
  };
  std::map<std::string, Class> classes, volumes;
  const auto& items = replay.items();
  for (std::size_t i = 0; i < std::min(items.size(), kUniBiomedItems); ++i) {
    if (items[i].counts.reference == 0) continue;
    add_to(classes[replay.target_of(items[i])], items[i].counts);
    ++result.n;
  }
  for (const auto& [name, one] : classes) {
    result.by_target[name] = {
        static_cast<std::int64_t>(one.count),
        {{"dice", one.dice / (one.count + 1e-6)}, {"iou", one.iou / (one.count + 1e-6)}}};
  }
  const auto cases = put_together(replay);
  for (const auto& put : cases.cases) {
    if (put.dimensions == Dimensions::kImage) continue;
    for (const auto& label : put.labels) {
      const auto counts = count_overlap(label.predicted, label.reference);
      if (counts.reference > 0) add_to(volumes[label.label], counts);
    }
  }
  add_means(classes, "", result);
  add_means(volumes, "volume_", result);
  result.counts = {{"unattributed", cases.unattributed}};
}

void score_medplib(const Replay& replay, ProtocolResult& result) {
  result.n = count_of(replay);
  const auto iou = values_of(replay, [&](const auto& item) { return medplib_iou(replay, item); });
  std::vector<double> dice;
  for (const double value : iou) dice.push_back(2 * value / (1 + value));
  result.metrics = {{"miou", mean_of(iou)}, {"mdice", mean_of(dice)}};
  add_groups(
      replay,
      [&](const auto& items) {
        return Metrics{{"miou", mean_of(picked(iou, items))},
                       {"mdice", mean_of(picked(dice, items))}};
      },
      result);
}

void score_biomedparse(const Replay& replay, ProtocolResult& result) {
  result.n = count_of(replay);
  const auto iou = values_of(replay, [](const auto& item) { return biomedparse_iou(item.counts); });
  const auto dice =
      values_of(replay, [](const auto& item) { return biomedparse_dice(item.counts); });
  double intersection = 0, union_ = 0, halves = 0;
  for (const auto& item : replay.items()) {
    intersection += static_cast<double>(item.counts.intersection);
    union_ += static_cast<double>(item.counts.union_());
    halves += static_cast<double>(item.counts.predicted + item.counts.reference) / 2;
  }
  result.metrics = {{"miou", mean_of(iou)},
                    {"ciou", union_ == 0 ? kNan : intersection / union_},
                    {"mdice", mean_of(dice)},
                    {"cdice", halves == 0 ? kNan : intersection / halves}};
  for (const float threshold : {0.5F, 0.6F, 0.7F, 0.8F, 0.9F}) {
    const auto high =
        std::count_if(replay.items().begin(), replay.items().end(),
                      [&](const auto& item) { return reaches(item.counts, threshold); });
    result.metrics.emplace_back("precision_at_" + fixed(static_cast<double>(threshold), 1),
                                share_of(high, result.n));
  }
  add_groups(
      replay,
      [&](const auto& items) {
        return Metrics{{"miou", mean_of(picked(iou, items))},
                       {"mdice", mean_of(picked(dice, items))}};
      },
      result);
}

void score_monai(const Replay& replay, ProtocolResult& result) {
  std::vector<double> ignore, count, hd, hd95, nsd, asd, assd;
  const auto add = [&](const OverlapCounts& counts, const SurfaceScores& surface) {
    ignore.push_back(monai_dice(counts, /*count_empty=*/false));
    count.push_back(monai_dice(counts, /*count_empty=*/true));
    hd.push_back(surface.hd);
    hd95.push_back(surface.hd95_monai);
    nsd.push_back(surface.nsd_monai);
    asd.push_back(surface.asd);
    assd.push_back(surface.assd);
  };
  for (std::size_t i = 0; i < replay.items().size(); ++i)
    add(replay.items()[i].counts, replay.surfaces()[i]);
  const PackedMask one_set = [] {
    PackedMask mask(GridSize{1, 1, 1});
    mask.set(0);
    return mask;
  }();
  for (const auto& counts : absent_counts(replay)) {
    const PackedMask empty(GridSize{1, 1, 1});
    add(counts, surface_scores(counts.predicted > 0 ? one_set : empty, empty, {1, 1, 1},
                               Dimensions::kImage, replay.tolerance_mm()));
  }
  result.n = static_cast<std::int64_t>(ignore.size());
  result.metrics = {{"dice_ignore_empty", monai_mean(ignore)},
                    {"dice_count_empty", monai_mean(count)},
                    {"hd", monai_mean(hd)},
                    {"hd95", monai_mean(hd95)},
                    {"nsd", monai_mean(nsd)},
                    {"asd", monai_mean(asd)},
                    {"assd", monai_mean(assd)},
                    {"hd_finite", finite_mean(hd)},
                    {"asd_finite", finite_mean(asd)},
                    {"assd_finite", finite_mean(assd)}};
  result.counts = {{"infinite", std::count_if(hd.begin(), hd.end(),
                                              [](double value) { return std::isinf(value); })}};
  add_groups(
      replay,
      [&](const auto& items) {
        return Metrics{{"dice_ignore_empty", monai_mean(picked(ignore, items))},
                       {"dice_count_empty", monai_mean(picked(count, items))},
                       {"hd95", monai_mean(picked(hd95, items))},
                       {"nsd", monai_mean(picked(nsd, items))}};
      },
      result);
}

}  // namespace medseg
