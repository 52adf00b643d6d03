#include "training_masks.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"
#include "medseg/image/resize.h"
#include "medseg/metrics/overlap.h"

namespace medseg {
namespace {

Mask above(const std::vector<float>& mean, float threshold, int width, int height) {
  Mask mask(width, height);
  for (std::size_t i = 0; i < mean.size(); ++i) mask.pixels[i] = mean[i] > threshold;
  return mask;
}

}  // namespace

TrainingMasks::TrainingMasks(const Manifest& manifest, const std::string& split) {
  for (const Record& record : manifest.records()) {
    const auto index = slice_of(record);
    auto [range, fresh] = slices_.try_emplace({record.modality, record.subject}, index, index);
    range->second = {std::min(range->second.first, index), std::max(range->second.second, index)};
  }
  std::set<std::string> seen;  // one slice asked about in many words is one mask
  for (const Record* record : manifest.split(split)) {
    std::optional<Image> image;
    for (const RecordTurn* turn : answered_turns(*record)) {
      const auto targets = targets_of(*record, *turn);
      for (std::size_t i = 0; i < targets.size(); ++i) {
        if (!seen.insert(record->image.string() + str_cat("\n", slice_of(*record), "\n") +
                         targets[i])
                 .second)
          continue;
        if (!image) image = load_image(manifest, *record);
        items_[{record->modality, targets[i]}].push_back(
            {record, load_mask(manifest, *record, turn->masks[i], image->width, image->height)});
      }
    }
  }
}

std::int64_t TrainingMasks::slice_of(const Record& record) const {
  return record.slice ? record.slice->index : 0;
}

double TrainingMasks::relative_slice(const Record& record) const {
  const auto [first, last] = slices_.at({record.modality, record.subject});
  return first == last
             ? 0.5
             : static_cast<double>(slice_of(record) - first) / static_cast<double>(last - first);
}

Mask TrainingMasks::mean(const Record& record, const std::string& target, int width, int height) {
  const Key key = {record.modality, target};
  const auto found = items_.find(key);
  if (found == items_.end()) return Mask(width, height);
  const auto [known, fresh] = means_.try_emplace({key, width, height}, width, height);
  if (!fresh) return known->second;
  std::vector<Mask> masks;
  for (const auto& item : found->second) masks.push_back(resize_nearest(item.mask, width, height));
  std::vector<float> mean(known->second.pixels.size());
  for (const auto& mask : masks) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += mask.pixels[i] != 0;
  }
  for (auto& value : mean) value /= static_cast<float>(masks.size());
  Mask best = above(mean, 0.5F, width, height);
  double best_dice = -1;
  for (int percent = 5; percent < 50 && (best_dice >= 0 || best.area() == 0); percent += 5) {
    Mask candidate = above(mean, static_cast<float>(percent) / 100.0F, width, height);
    double sum = 0;
    for (const auto& mask : masks) sum += dice(count_overlap(candidate, mask));
    if (sum <= best_dice) continue;
    best_dice = sum;
    best = std::move(candidate);
  }
  return known->second = best;
}

Mask TrainingMasks::nearest(const Record& record, const std::string& target, int width,
                            int height) const {
  const auto found = items_.find({record.modality, target});
  if (found == items_.end()) return Mask(width, height);
  const bool same_subject =
      std::any_of(found->second.begin(), found->second.end(),
                  [&](const Item& item) { return item.record->subject == record.subject; });
  const auto distance = [&](const Item& item) {
    return same_subject ? static_cast<double>(std::abs(slice_of(*item.record) - slice_of(record)))
                        : std::abs(relative_slice(*item.record) - relative_slice(record));
  };
  const Item* best = nullptr;
  for (const auto& item : found->second) {
    if (same_subject && item.record->subject != record.subject) continue;
    if (best == nullptr || distance(item) < distance(*best)) best = &item;
  }
  return resize_nearest(best->mask, width, height);
}

}  // namespace medseg
