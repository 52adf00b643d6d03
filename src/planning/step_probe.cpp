#include "medseg/planning/step_probe.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "few_layers.h"
#include "medseg/base/error.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/precision.h"
#include "medseg/nn/tensor_memory.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/training/frozen_storage.h"
#include "medseg/training/replay.h"
#include "medseg/training/step.h"
#include "medseg/training/trained.h"

namespace medseg {
namespace {

/// Random values for all weights that a step reads. Those of the encoders are not: their memory is
/// never touched.
void fill(Segmenter& model) {
  const at::NoGradGuard no_grad;
  for (const auto& named : {model.named_parameters(), model.named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      if (name.starts_with(part::kVisionTower) || name.starts_with(part::kGroundingEncoder))
        continue;
      if (tensor->dim() >= 2)
        tensor->normal_(0.0, 0.02);
      else if (tensor->is_floating_point())
        tensor->fill_(name.ends_with("bias") ? 0.0 : 1.0);
    }
  }
}

struct Probe {
  OpenBundle bundle;
  TrainOptions options;
  std::vector<TrainedParameter> trained;
  at::ScalarType precision;

  Probe(const BundleOptions& full, const TrainOptions& few, std::int64_t layers)
      : options(few), precision(dtype_of(few.precision)) {
    bundle.options = full;
    bundle.options.model.language.layers = layers;
    // The full model's parameters were checked for being trained or loaded; these need not be.
    bundle.options.initialised.clear();
    {
      const SkipInitialisation skip;
      bundle.model = std::make_unique<Segmenter>(
          bundle.options.model, precision == at::kBFloat16 ? at::kBFloat16 : at::kFloat);
    }
    fill(*bundle.model);
    trained = choose_trained(bundle, options);
    const FrozenStorage frozen(bundle, precision, options.frozen_storage);
    auto& language = bundle.model->language();
    language.checkpoint_layers(options.activation_checkpointing ==
                               ActivationCheckpointing::kBlocks);
    language.train(true);
  }

  ModelFrame frame(const StepShape& shape) const {
    const Image blank{static_cast<int>(shape.image_width), static_cast<int>(shape.image_height), 1,
                      std::vector<std::uint8_t>(
                          static_cast<std::size_t>(shape.image_width * shape.image_height))};
    return grounding_input(blank, bundle.options.grounding_preprocess,
                           bundle.model->grounding().encoder().image_size())
        .frame;
  }

  std::vector<MaskTruth> truths(const StepShape& shape, std::int64_t images,
                                std::int64_t masks) const {
    std::vector<MaskTruth> truths;
    for (std::int64_t i = 0; i < images; ++i) {
      const auto own = masks * (i + 1) / images - masks * i / images;
      truths.push_back({at::zeros({own, shape.image_height, shape.image_width}), frame(shape)});
    }
    return truths;
  }

  TrainingBatch batch(const StepShape& shape) const {
    const Segmenter& model = *bundle.model;
    const auto B = shape.dialogues, places = model.image_tokens();
    TrainingBatch batch;
    for (std::int64_t i = 0; i < B; ++i) {
      const auto share = [&](std::int64_t all) { return all * (i + 1) / B - all * i / B; };
      const auto text =
          std::max<std::int64_t>(2, share(shape.tokens) - (model.has_vision() ? places - 1 : 0));
      std::vector<std::int64_t> ids(static_cast<std::size_t>(text), 0), segs;
      if (model.has_vision()) ids[0] = kImagePlaceId;
      std::vector<std::int64_t> labels(ids.size(), kNoLabel);
      const auto labelled = std::min(share(shape.labelled), text - 1);
      std::fill(labels.end() - labelled, labels.end(), 0);
      for (std::int64_t k = 0; k < share(shape.masks); ++k) segs.push_back(1 + k % (text - 1));
      batch.dialogues.ids.push_back(ids);
      batch.dialogues.labels.push_back(labels);
      batch.dialogues.seg_positions.push_back(segs);
      batch.ids.push_back("probe");
    }
    if (model.has_vision()) {
      const auto grid = model.vision().grid();
      batch.dialogues.vision_features =
          at::randn({B, grid * grid, model.vision().width()}).to(precision);
    }
    if (model.has_grounding()) {
      batch.image_embeddings = embeddings(B, 1);
      batch.truths = truths(shape, B, shape.masks);
      batch.masks = shape.masks;
    }
    return batch;
  }

  at::Tensor embeddings(std::int64_t count, std::int64_t pool) const {
    const auto grid = bundle.model->grounding().encoder().grid() / pool;
    return at::randn({count, bundle.model->grounding().options().width, grid, grid}).to(precision);
  }
};

ProbedStep run(const Probe& probe, const StepShape& shape) {
  const Segmenter& model = *probe.bundle.model;
  TensorMemory count;
  TimeTable times;
  StepMemory memory;
  auto batch = std::make_unique<TrainingBatch>(probe.batch(shape));
  memory.batch = static_cast<double>(count.live());
  count.begin_peak();
  MicroBatchOutput output;
  {
    const AutocastScope autocast(at::kCPU, probe.precision);
    output = forward_micro_batch(model, *batch, probe.options.loss, times);
  }
  const auto after_forward = count.live();
  {
    const TimeTable::Scope scope(times, "backward");
    output.total.backward();
  }
  output = {};
  const auto peak = count.peak();
  batch.reset();
  memory.gradients = static_cast<double>(count.live());
  memory.kept = static_cast<double>(after_forward) - memory.batch;
  memory.transient =
      static_cast<double>(peak) - std::max(memory.kept, memory.gradients) - memory.batch;
  const auto& replay = probe.options.replay;
  if (model.has_grounding() && replay.masks > 0) {
    count.begin_peak();
    const TimeTable::Scope scope(times, "replay");
    const auto prompts = at::randn({replay.masks, model.grounding().options().width});
    replay_loss(model, probe.embeddings(replay.masks, replay.pool), prompts,
                probe.truths(shape, replay.masks, replay.masks), probe.options)
        .backward();
    memory.replay = static_cast<double>(count.peak()) - memory.gradients;
  }
  for (const auto& parameter : probe.trained) parameter.tensor.mutable_grad().reset();
  return {memory, times.parts()};
}

}  // namespace

ProbedStep probe_step(const BundleOptions& bundle, const TrainOptions& options,
                      const std::vector<std::string>& trained,
                      const std::vector<std::string>& adapted, const StepShape& shape,
                      std::int64_t layers) {
  const Probe probe(bundle, options_of_few_layers(options, trained, adapted, layers), layers);
  run(probe, shape);  // kernels are made at first use
  return run(probe, shape);
}

ProbedStep extrapolate_step(const BundleOptions& bundle, const TrainOptions& options,
                            const std::vector<std::string>& trained,
                            const std::vector<std::string>& adapted, const StepShape& shape) {
  const auto layers = bundle.model.language.layers;
  auto one = probe_step(bundle, options, trained, adapted, shape, 1);
  if (layers == 1) return one;
  const auto two = probe_step(bundle, options, trained, adapted, shape, 2);
  const auto at_all = [&](double first, double second) {
    return first + std::max(0.0, second - first) * static_cast<double>(layers - 1);
  };
  ProbedStep all = two;
  all.memory.kept = at_all(one.memory.kept, two.memory.kept);
  all.memory.gradients = at_all(one.memory.gradients, two.memory.gradients);
  all.memory.transient = std::max(one.memory.transient, two.memory.transient);
  for (std::size_t i = 0; i < all.seconds.size(); ++i) {
    const auto& name = all.seconds[i].name;
    if (name == "language forward" || name == "backward")
      all.seconds[i].seconds = at_all(one.seconds[i].seconds, two.seconds[i].seconds);
  }
  return all;
}

}  // namespace medseg
