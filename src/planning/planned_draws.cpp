#include "planned_draws.h"

#include <algorithm>

#include "medseg/dataloader/sampler.h"
#include "medseg/models/grounding.h"

namespace medseg {
namespace {

constexpr std::uint64_t kMostDraws = 100'000;  // micro-batches

}  // namespace

// Of each token about ten vectors in each layer, of each labelled token its logits, of each mask
// about twelve maps.
double rough_size(const StepShape& shape, const Segmenter& model) {
  const auto& language = model.options().language;
  double size = static_cast<double>(shape.tokens * language.layers *
                                    (8 * language.width + 2 * language.mlp_width));
  size += static_cast<double>(shape.labelled * language.vocabulary * 2);
  if (model.has_grounding()) {
    const auto grid = model.grounding().encoder().grid();
    size += static_cast<double>(12 * shape.masks * grid * grid * model.options().grounding.width);
  }
  return size;
}

PlannedDraws planned_draws(const TrainConfig& config, const TrainingSet& data,
                           const Segmenter& model, std::int64_t batch_size) {
  const auto& train = config.train;
  Sampler sampler(sampler_options(data.records, data.visits, batch_size,
                                  static_cast<std::uint64_t>(train.seed)));
  const auto dialogues = train.steps * train.batch_size * train.accumulation;
  const auto count =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(dialogues / batch_size), 1, kMostDraws);
  StepShape largest, sum;
  double most = -1;
  for (std::uint64_t i = 0; i < count; ++i) {
    StepShape shape{.dialogues = batch_size};
    for (const auto& draw : sampler.next(static_cast<std::size_t>(batch_size))) {
      const TrainingRecord& record = data.records[draw.sample];
      shape.tokens += record.tokens;
      shape.labelled += record.labelled;
      shape.masks += record.masks;
    }
    sum.tokens += shape.tokens;
    sum.labelled += shape.labelled;
    sum.masks += shape.masks;
    const auto size = rough_size(shape, model);
    if (size <= most) continue;
    most = size;
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
