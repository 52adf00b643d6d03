#include "medseg/metrics/detection.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace medseg {
namespace {

constexpr std::size_t kMostOfAnImage = 100;

struct Verdict {
  double score = 0;
  bool hit = false;
};

// By falling score; equal ones keep their order.
std::vector<std::size_t> by_score(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

void judge(const DetectionImage& image, double threshold, std::vector<Verdict>& verdicts) {
  auto order = by_score(image.scores);
  order.resize(std::min(order.size(), kMostOfAnImage));
  std::vector<bool> taken(image.iou.columns);
  for (const auto mask : order) {
    double best = std::min(threshold, 1 - 1e-10);
    std::size_t found = image.iou.columns;
    for (std::size_t r = 0; r < image.iou.columns; ++r) {
      if (taken[r] || image.iou.at(mask, r) < best) continue;
      best = image.iou.at(mask, r);
      found = r;
    }
    verdicts.push_back({image.scores[mask], found < image.iou.columns});
    if (found < image.iou.columns) taken[found] = true;
  }
}

}  // namespace

double average_precision(const std::vector<DetectionImage>& images, double threshold) {
  std::vector<Verdict> verdicts;
  std::size_t references = 0;
  for (const auto& image : images) {
    references += image.iou.columns;
    judge(image, threshold, verdicts);
  }
  if (references == 0) return std::numeric_limits<double>::quiet_NaN();
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
  std::vector<double> recall, precision;
  double hits = 0;
  for (std::size_t k = 0; k < verdicts.size(); ++k) {
    hits += verdicts[k].hit ? 1 : 0;
    recall.push_back(hits / static_cast<double>(references));
    precision.push_back(hits / static_cast<double>(k + 1));
  }
  for (std::size_t k = precision.size(); k-- > 1;)
    precision[k - 1] = std::max(precision[k - 1], precision[k]);
  double sum = 0;
  for (int r = 0; r <= 100; ++r) {
    const auto found = std::lower_bound(recall.begin(), recall.end(), r == 100 ? 1.0 : r * 0.01);
    if (found != recall.end()) sum += precision[static_cast<std::size_t>(found - recall.begin())];
  }
  return sum / 101;
}

double average_precision_50_95(const std::vector<DetectionImage>& images) {
  double sum = 0;
  for (int i = 0; i < 10; ++i) sum += average_precision(images, 0.5 + 0.05 * i);
  return sum / 10;
}

std::int64_t matched_pairs(const Matrix& iou, double threshold) {
  Matrix right(iou.rows, iou.columns);
  for (std::size_t i = 0; i < iou.values.size(); ++i)
    right.values[i] = iou.values[i] >= threshold ? 1 : 0;
  const auto assigned = assign_max_total(right);
  std::int64_t pairs = 0;
  for (std::size_t r = 0; r < assigned.size(); ++r)
    pairs += assigned[r] >= 0 && right.at(r, static_cast<std::size_t>(assigned[r])) > 0;
  return pairs;
}

}  // namespace medseg
