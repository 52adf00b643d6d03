#include "medseg/dataloader/feature_filling.h"

#include <string>

#include <ATen/ATen.h>

#include "medseg/base/progress.h"
#include "medseg/base/signals.h"

namespace medseg {

void fill_features(TrainingSet& data, FeatureCache& cache, Comm* comm) {
  const auto& augmentation = data.records.options().augment;
  if (augmentation.is_on() && augmentation.share >= 1) return;
  const auto all = data.records.images();
  const auto get_each = [&](const std::string& title, std::size_t first, std::size_t stride) {
    Progress bar(title, static_cast<std::int64_t>(all.size()));
    std::size_t seen = 0;
    for (const auto& [source, index] : all) {
      if (cache.full()) break;
      const auto i = seen++;
      if (i % stride != first) continue;
      stop_if_signalled();
      if (const auto image = image_of(data, index)) cache.get(*image);
      bar.update(static_cast<std::int64_t>(seen));
    }
  };
  if (comm != nullptr && !comm->is_alone() && cache.folder() != nullptr) {
    get_each("features", static_cast<std::size_t>(comm->rank()),
             static_cast<std::size_t>(comm->size()));
    comm->barrier();
    return get_each("features of all", 0, 1);
  }
  get_each("features", 0, 1);
}

std::pair<at::Tensor, at::Tensor> vision_statistics(TrainingSet& data, FeatureCache& cache) {
  const at::NoGradGuard no_grad;
  at::Tensor sum, squares;
  double count = 0;
  for (const auto& [source, index] : data.records.images()) {
    stop_if_signalled();
    const auto image = image_of(data, index);
    if (!image) continue;
    const auto features = cache.get(*image)->vision.to(at::kDouble);  // [N, Dv]
    sum = sum.defined() ? sum + features.sum(0) : features.sum(0);
    const auto square = features.square().sum(0);
    squares = squares.defined() ? squares + square : square;
    count += static_cast<double>(features.size(0));
  }
  const auto mean = sum / count;
  const auto deviation = (squares / count - mean.square()).clamp_min(0.0).sqrt();
  const auto least = 1e-3 * deviation.mean();  // keeps a constant channel from being blown up
  return {mean.to(at::kFloat), at::maximum(deviation, least).to(at::kFloat)};
}

}  // namespace medseg
