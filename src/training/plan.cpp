#include "medseg/training/plan.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/low_bit.h"
#include "medseg/nn/precision.h"
#include "medseg/training/sampler.h"
#include "medseg/training/trained.h"
#include "medseg/training/training_set.h"
#include "opening.h"

namespace medseg {
namespace {

// Measured on Debian 12 with the pinned LibTorch and tcmalloc: what a process holds before its first tensor (libraries, one
// team of threads, oneDNN's kernels), and how much more than what lives the allocator holds.
constexpr double kProgram = 0.20e9;
constexpr double kSlack = 1.10;
constexpr std::size_t kPicturesRead = 64;
constexpr std::uint64_t kStepsDrawn = 100'000;  // micro-batches whose sizes are looked at

const char* part_of(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("vision_tower.")) return "vision tower";
  if (has("mm_projector")) return "projector";
  if (has("text_hidden_fcs")) return "segmentation head";
  if (has("grounding_encoder.image_encoder.")) return "grounding encoder";
  if (has("grounding_encoder.")) return "mask decoder";
  return "language model";
}

class Planner {
 public:
  explicit Planner(const TrainConfig& config)
      : config_(config),
        options_(config.train),
        precision_(precision_named("train.precision", options_.precision)),
        bundle_(outline_bundle(config.model)),
        data_(config.data, bundle_),
        trained_(choose_trained(bundle_, options_)) {
    require_fit(options_, *bundle_.model);
    if (options_.standardise_vision) require_projector(trained_);
    for (const auto& parameter : trained_) {
      names_.push_back(parameter.name);
      trained_bytes_ += static_cast<double>(parameter.tensor.nbytes());
    }
    for (const auto& [name, layer] : bundle_.model->modules_of_type<Linear>()) {
      if (layer->has_adapter()) adapted_.push_back(name);
    }
  }

  Plan plan() {
    Plan plan;
    plan.records = static_cast<std::int64_t>(data_.size());
    count_parts(plan);
    const auto shapes = draw(options_.batch_size);
    plan.largest = shapes.first;
    plan.mean = shapes.second;
    const auto [sizes, pictures] = data_.picture_sizes(kPicturesRead);
    plan.pictures = pictures;
    for (const auto& [width, height] : sizes) {
      auto& most = plan.largest;
      pixels_ +=
          static_cast<double>(std::int64_t{width} * height) / static_cast<double>(sizes.size());
      if (std::int64_t{width} * height > most.image_width * most.image_height) {
        most.image_width = width;
        most.image_height = height;
      }
    }
    plan.mean.image_width = plan.largest.image_width;
    plan.mean.image_height = plan.largest.image_height;
    const auto largest = probe(plan.largest, options_.activation_checkpointing);
    plan.peak = at_peak(largest.memory, pictures, options_.accumulation);
    add_time(plan, probe(plan.mean, options_.activation_checkpointing));
    for (const char* checkpointing : {"none", "blocks"}) {
      const bool known = options_.activation_checkpointing == checkpointing;
      propose(plan, checkpointing,
              known ? largest.memory : probe(plan.largest, checkpointing).memory, pictures);
    }
    std::stable_sort(plan.proposals.begin(), plan.proposals.end(),
                     [](const auto& a, const auto& b) { return a.batch_size < b.batch_size; });
    return plan;
  }

 private:
  void count_parts(Plan& plan) const {
    const auto part = [&](const std::string& name) -> PlannedPart& {
      const std::string wanted = part_of(name);
      const auto found = std::find_if(plan.parts.begin(), plan.parts.end(),
                                      [&](const auto& known) { return known.name == wanted; });
      if (found != plan.parts.end()) return *found;
      return plan.parts.emplace_back(PlannedPart{.name = wanted});
    };
    for (const auto& [name, tensor] : bundle_.model->named_parameters())
      part(name).parameters += tensor->numel();
    for (const auto& parameter : trained_) part(parameter.name).trained += parameter.tensor.numel();
  }

  /// The micro-batch that keeps the most, and the mean of all.
  std::pair<StepShape, StepShape> draw(std::int64_t batch_size) const {
    Sampler sampler({.visits = data_.visits(),
                     .lengths = data_.lengths(),
                     .batch_size = batch_size,
                     .shuffle = config_.data.shuffle,
                     .group_by_length = config_.data.group_by_length,
                     .seed = static_cast<std::uint64_t>(options_.seed),
                     .sources = data_.sources(),
                     .shares = data_.shares()});
    const auto dialogues = options_.steps * options_.batch_size * options_.accumulation;
    const auto count = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(dialogues / batch_size),
                                                 1, kStepsDrawn);
    StepShape largest, sum;
    double most = -1;
    for (std::uint64_t i = 0; i < count; ++i) {
      StepShape shape{.dialogues = batch_size};
      for (const auto& draw : sampler.next(static_cast<std::size_t>(batch_size))) {
        const auto index = draw.sample;
        shape.tokens = std::max(shape.tokens, data_.lengths()[index]);
        shape.labelled += data_.labelled()[index];
        shape.masks += data_.masks()[index];
      }
      sum.tokens += shape.tokens;
      sum.labelled += shape.labelled;
      sum.masks += shape.masks;
      const auto weight = weight_of(shape);
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

  /// Roughly what a micro-batch keeps, only to compare one with another: some ten numbers of the width a token and layer, some
  /// twelve maps a mask, the logits.
  double weight_of(const StepShape& shape) const {
    const auto& language = bundle_.options.model.language;
    const double tokens = static_cast<double>(shape.dialogues * shape.tokens);
    double weight = tokens * static_cast<double>(language.layers *
                                                 (8 * language.width + 2 * language.mlp_width));
    weight += static_cast<double>(shape.labelled * language.vocabulary * 2);
    if (bundle_.model->has_grounding()) {
      const auto grid = bundle_.model->grounding().encoder().grid();
      weight += static_cast<double>(12 * shape.masks * grid * grid *
                                    bundle_.options.model.grounding.width);
    }
    return weight;
  }

  ProbedStep probe(const StepShape& shape, const std::string& checkpointing) const {
    auto options = options_;
    options.activation_checkpointing = checkpointing;
    return extrapolate_step(bundle_.options, options, names_, adapted_, shape);
  }

  struct WeightBytes {
    double resident =
        0;  ///< as they are kept, and the encoders made ready for plain passes beside them
    double to_save =
        0;  ///< of the file, where a checkpoint takes original values instead of narrow ones
  };
  WeightBytes weight_bytes() const {
    WeightBytes bytes;
    const bool narrows = precision_ != at::kFloat;
    for (const auto& [name, tensor] : bundle_.model->named_parameters()) {
      const auto plain = static_cast<double>(tensor->nbytes());
      const std::string part = part_of(name);
      const bool encoder = part == "vision tower" || part == "grounding encoder";
      const bool kept =
          encoder || tensor->requires_grad() || tensor->dim() != 2 || part == "mask decoder";
      if (kept) {
        bytes.resident += encoder ? 2.5 * plain : plain;  // folded in fp32, and in bf16
      } else if (options_.frozen_storage != "precision" && name.starts_with("model.layers.")) {
        bytes.resident += low_bit_bytes(*tensor);
      } else if (narrows && tensor->scalar_type() == at::kFloat) {
        bytes.resident += plain / 2;
        bytes.to_save += plain;
      } else {
        bytes.resident += plain;
      }
    }
    return bytes;
  }

  /// nn/low_bit.h: codes, and a scale a row or a block.
  double low_bit_bytes(const at::Tensor& matrix) const {
    const auto count = static_cast<double>(matrix.numel());
    if (options_.frozen_storage == "int8") return count + 4 * static_cast<double>(matrix.size(0));
    return count / 2 + 4 * count / static_cast<double>(kNf4Block);
  }

  double picture_bytes() const {
    const auto width = static_cast<double>(at::elementSize(precision_));
    const Segmenter& model = *bundle_.model;
    double bytes = 0;
    if (model.has_vision()) {
      bytes += width * static_cast<double>(model.vision().grid() * model.vision().grid() *
                                           model.vision().width());
    }
    if (model.has_grounding()) bytes += width * map_cells(1);
    return bytes;
  }
  double map_cells(std::int64_t pool) const {
    const auto grid = bundle_.model->grounding().encoder().grid() / pool;
    return static_cast<double>(grid * grid * bundle_.options.model.grounding.width);
  }

  std::vector<std::pair<std::string, double>> at_peak(const StepMemory& step, std::int64_t pictures,
                                                      std::int64_t accumulation) const {
    const auto count = static_cast<double>(pictures);
    const auto& replay = options_.replay;
    double features = count * picture_bytes(), masks = 0;
    if (replay.masks > 0 && bundle_.model->has_grounding()) {
      // What it has drawn once it keeps: the coarse grid of a picture, and a byte a pixel of a mask.
      const auto drawn = [&](double all) {
        return all * (1 - std::exp(-static_cast<double>(options_.steps * replay.masks) / all));
      };
      if (replay.pool > 1)
        masks += drawn(count) * map_cells(replay.pool) *
                 static_cast<double>(at::elementSize(precision_));
      masks += drawn(static_cast<double>(data_.mask_places().size())) * pixels_;
    } else {
      features = std::min(features, config_.data.cache_gb * 1e9);
    }
    const double ahead = static_cast<double>(2 * config_.data.workers + 2) * step.batch;
    const double held =
        accumulation > 1 ? step.kept + step.gradients : std::max(step.kept, step.gradients);
    const double in_step =
        std::max(step.batch + held + step.transient, step.gradients + step.replay);
    const double moments = 2 * trained_bytes_ + (options_.ema.decay > 0 ? trained_bytes_ : 0);
    const auto weights = weight_bytes();
    const double slack =
        (kSlack - 1) * (weights.resident + moments + features + masks + ahead + in_step);
    return {{"program", kProgram},
            {"weights", weights.resident},
            {"optimiser", moments},
            {"features", features},
            {"replayed masks", masks},
            {"batches ahead", ahead},
            {"step", in_step},
            {"allocator", slack},
            {"weights to save", weights.to_save}};
  }

  void add_time(Plan& plan, const ProbedStep& step) const {
    for (const auto& part : step.seconds) {
      const double times = part.name == "replay" ? 1.0 : static_cast<double>(options_.accumulation);
      plan.seconds.emplace_back(part.name, part.seconds * times);
    }
  }

  /// Other splits of the same dialogues, scaled from the one that was probed: what a step keeps grows with its tokens.
  void propose(Plan& plan, const std::string& checkpointing, const StepMemory& probed,
               std::int64_t pictures) const {
    const auto dialogues = options_.batch_size * options_.accumulation;
    for (std::int64_t batch = 1; batch <= dialogues; ++batch) {
      if (dialogues % batch != 0) continue;
      const double scale = weight_of(draw(batch).first) / weight_of(plan.largest);
      StepMemory memory = probed;
      for (double* bytes : {&memory.batch, &memory.kept, &memory.transient}) *bytes *= scale;
      double sum = 0;
      for (const auto& [name, bytes] : at_peak(memory, pictures, dialogues / batch)) sum += bytes;
      plan.proposals.push_back({batch, dialogues / batch, checkpointing, sum});
    }
  }

  const TrainConfig& config_;
  const TrainOptions& options_;
  at::ScalarType precision_;
  OpenBundle bundle_;
  TrainingSet data_;
  std::vector<TrainedParameter> trained_;
  std::vector<std::string> names_, adapted_;
  double trained_bytes_ = 0;
  double pixels_ = 0;  ///< of a picture, in the mean
};

nlohmann::ordered_json json_of(const StepShape& shape) {
  return {{"dialogues", shape.dialogues},       {"tokens", shape.tokens},
          {"labelled", shape.labelled},         {"masks", shape.masks},
          {"image_height", shape.image_height}, {"image_width", shape.image_width}};
}

}  // namespace

double Plan::peak_bytes() const {
  double sum = 0;
  for (const auto& [name, bytes] : peak) sum += bytes;
  return sum;
}

double Plan::seconds_per_step() const {
  double sum = 0;
  for (const auto& [name, value] : seconds) sum += value;
  return sum;
}

nlohmann::ordered_json Plan::json() const {
  nlohmann::ordered_json json = {{"records", records}, {"pictures", pictures}};
  for (const auto& part : parts) {
    json["parameters"][part.name] = {{"all", part.parameters}, {"trained", part.trained}};
  }
  json["largest_micro_batch"] = json_of(largest);
  json["mean_micro_batch"] = json_of(mean);
  for (const auto& [name, bytes] : peak)
    json["memory"][name] = static_cast<std::uint64_t>(std::max(0.0, bytes));
  json["peak_bytes"] = static_cast<std::uint64_t>(peak_bytes());
  for (const auto& [name, value] : seconds) json["seconds"][name] = value;
  json["seconds_per_step"] = seconds_per_step();
  json["proposals"] = nlohmann::ordered_json::array();
  for (const auto& proposal : proposals) {
    json["proposals"].push_back({{"batch_size", proposal.batch_size},
                                 {"accumulation", proposal.accumulation},
                                 {"activation_checkpointing", proposal.activation_checkpointing},
                                 {"peak_bytes", static_cast<std::uint64_t>(proposal.peak_bytes)}});
  }
  return json;
}

Plan make_plan(const TrainConfig& config) {
  check_train_config(config);
  if (config.train.threads > 0) at::set_num_threads(static_cast<int>(config.train.threads));
  at::manual_seed(static_cast<std::uint64_t>(config.train.seed));
  return Planner(config).plan();
}

}  // namespace medseg
