#include "planned_draws.h"

#include <algorithm>

#include "medseg/dataloader/sampler.h"
#include "medseg/models/grounding.h"

namespace medseg {
namespace {

constexpr std::uint64_t kStepsDrawn = 100'000;  // micro-batches whose sizes are looked at

}  // namespace

// Some ten numbers of the width a token and layer, some twelve maps a mask, the logits.
double weight_of(const StepShape& shape, const Segmenter& model) {
  const auto& language = model.options().language;
  double weight = static_cast<double>(shape.tokens * language.layers *
                                      (8 * language.width + 2 * language.mlp_width));
  weight += static_cast<double>(shape.labelled * language.vocabulary * 2);
  if (model.has_grounding()) {
    const auto grid = model.grounding().encoder().grid();
    weight += static_cast<double>(12 * shape.masks * grid * grid * model.options().grounding.width);
  }
  return weight;
}

PlannedDraws planned_draws(const TrainConfig& config, const TrainingSet& data,
                           const Segmenter& model, std::int64_t batch_size) {
  const auto& train = config.train;
  Sampler sampler({.visits = data.visits(),
                   .lengths = data.lengths(),
                   .batch_size = batch_size,
                   .shuffle = config.data.shuffle,
                   .group_by_length = config.data.group_by_length,
                   .seed = static_cast<std::uint64_t>(train.seed),
                   .sources = data.sources(),
                   .shares = data.shares()});
  const auto dialogues = train.steps * train.batch_size * train.accumulation;
  const auto count =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(dialogues / batch_size), 1, kStepsDrawn);
  StepShape largest, sum;
  double most = -1;
  for (std::uint64_t i = 0; i < count; ++i) {
    StepShape shape{.dialogues = batch_size};
    for (const auto& draw : sampler.next(static_cast<std::size_t>(batch_size))) {
      const auto index = draw.sample;
      shape.tokens += data.lengths()[index];
      shape.labelled += data.labelled()[index];
      shape.masks += data.masks()[index];
    }
    sum.tokens += shape.tokens;
    sum.labelled += shape.labelled;
    sum.masks += shape.masks;
    const auto weight = weight_of(shape, model);
    if (weight <= most) continue;
    most = weight;
    largest = shape;
  }
  const auto n = static_cast<std::int64_t>(count);
  const auto mean = [n](std::int64_t total) { return (total + n / 2) / n; };
  return {largest,
          {.dialogues = batch_size,
           .tokens = mean(sum.tokens),
           .labelled = mean(sum.labelled),
           .masks = mean(sum.masks)}};
}

}  // namespace medseg
