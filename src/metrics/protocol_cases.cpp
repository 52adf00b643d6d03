// Protocols that average over cases: all turns of an image, or a volume put together.
#include <cmath>

#include "protocol_parts.h"

namespace medseg {
namespace {

struct LabelSums {
  std::vector<double> dice, iou;  // of the cases where the label is on one side at least
  double tp = 0, fp = 0, fn = 0, tn = 0, cases = 0;

  void add(const OverlapCounts& counts, std::int64_t cells) {
    if (counts.union_() > 0) {
      dice.push_back(plain_dice(counts));
      iou.push_back(plain_iou(counts));
    }
    tp += static_cast<double>(counts.intersection);
    fp += static_cast<double>(counts.predicted - counts.intersection);
    fn += static_cast<double>(counts.reference - counts.intersection);
    tn += static_cast<double>(cells - counts.union_());
    ++cases;
  }

  Metrics means() const {
    return {{"dice", mean_of(dice)},
            {"iou", mean_of(iou)},
            {"fp", fp / cases},
            {"tp", tp / cases},
            {"fn", fn / cases},
            {"tn", tn / cases},
            {"n_pred", (tp + fp) / cases},
            {"n_ref", (tp + fn) / cases}};
  }
};

}  // namespace

void score_nnunet(const Replay& replay, ProtocolResult& result) {
  const auto all = put_together(replay);
  std::map<std::string, LabelSums> labels;
  for (const auto& name : all.labels) labels[name];
  for (const auto& put : all.cases) {
    const std::int64_t cells = put.cells();
    auto here = put.labels.begin();  // both are sorted
    for (auto& [name, sums] : labels) {
      const bool drawn = here != put.labels.end() && here->label == name;
      sums.add(drawn ? count_overlap(here->predicted, here->reference) : OverlapCounts{}, cells);
      if (drawn) ++here;
    }
  }
  result.n = static_cast<std::int64_t>(all.cases.size());
  result.counts = {{"unattributed", all.unattributed}};
  result.metrics = LabelSums().means();
  for (auto& [name, value] : result.metrics) value = labels.empty() ? kNan : 0;
  for (const auto& [label, sums] : labels) {
    result.by_target[label] = {static_cast<std::int64_t>(sums.dice.size()), sums.means()};
    const auto& means = result.by_target[label].metrics;
    for (std::size_t m = 0; m < means.size(); ++m)
      result.metrics[m].second += means[m].second / static_cast<double>(labels.size());
  }
}

void score_medsam2(const Replay& replay, ProtocolResult& result) {
  const auto all = put_together(replay);
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> by_label;
  std::vector<double> dsc, nsd;
  for (const auto& put : all.cases) {
    std::vector<double> dsc_here, nsd_here;
    for (const auto& label : put.labels) {
      if (label.reference.empty()) continue;
      dsc_here.push_back(plain_dice(count_overlap(label.predicted, label.reference)));
      nsd_here.push_back(surface_scores(label.predicted, label.reference, put.spacing,
                                        put.dimensions, replay.tolerance_mm())
                             .nsd_deepmind);
      by_label[label.label].first.push_back(dsc_here.back());
      by_label[label.label].second.push_back(nsd_here.back());
    }
    if (dsc_here.empty()) continue;
    dsc.push_back(mean_of(dsc_here));
    nsd.push_back(mean_of(nsd_here));
  }
  result.n = static_cast<std::int64_t>(dsc.size());
  result.metrics = {{"dsc", mean_of(dsc)}, {"nsd", mean_of(nsd)}};
  result.counts = {{"unattributed", all.unattributed}};
  for (const auto& [label, values] : by_label) {
    result.by_target[label] = {static_cast<std::int64_t>(values.first.size()),
                               {{"dsc", mean_of(values.first)}, {"nsd", mean_of(values.second)}}};
  }
}

}  // namespace medseg
