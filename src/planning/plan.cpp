#include "medseg/planning/plan.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "medseg/dataloader/mask_targets.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/nn/linear.h"
#include "medseg/training/opening.h"
#include "medseg/training/trained.h"
#include "planned_draws.h"
#include "planned_memory.h"

namespace medseg {
namespace {

constexpr std::size_t kImagesRead = 64;

class Planner {
 public:
  explicit Planner(const TrainConfig& config)
      : config_(config),
        options_(config.train),
        bundle_(outline_bundle(config.model)),
        data_(config.data, bundle_),
        trained_(choose_trained(bundle_, options_)),
        memory_(config, *bundle_.model, planned_data_) {
    require_fit(options_, *bundle_.model);
    if (options_.standardise_vision) require_projector(trained_);
    for (const auto& parameter : trained_) names_.push_back(parameter.name);
    for (const auto& [name, layer] : bundle_.model->modules_of_type<Linear>()) {
      if (layer->has_adapter()) adapted_.push_back(name);
    }
  }

  Plan plan() {
    Plan plan;
    plan.records = static_cast<std::int64_t>(data_.records.size());
    count_parts(plan);
    const auto draws = draw(options_.batch_size);
    plan.largest = draws.largest;
    plan.mean = draws.mean;
    measure_images(plan);
    const auto checkpointing = options_.activation_checkpointing;
    const auto largest = probe(plan.largest, checkpointing);
    plan.peak = memory_.at_peak(largest.memory, options_.accumulation);
    add_time(plan, probe(plan.mean, checkpointing));
    for (const auto other : {ActivationCheckpointing::kNone, ActivationCheckpointing::kBlocks}) {
      propose(plan, other,
              checkpointing == other ? largest.memory : probe(plan.largest, other).memory);
    }
    std::stable_sort(plan.proposals.begin(), plan.proposals.end(),
                     [](const auto& a, const auto& b) { return a.batch_size < b.batch_size; });
    return plan;
  }

 private:
  void count_parts(Plan& plan) const {
    const auto part = [&](const std::string& name) -> PlannedPart& {
      const std::string wanted = name_of(part_of(name));
      const auto found = std::find_if(plan.parts.begin(), plan.parts.end(),
                                      [&](const auto& known) { return known.name == wanted; });
      if (found != plan.parts.end()) return *found;
      return plan.parts.emplace_back(PlannedPart{.name = wanted});
    };
    for (const auto& [name, tensor] : bundle_.model->named_parameters())
      part(name).parameters += tensor->numel();
    for (const auto& parameter : trained_) part(parameter.name).trained += parameter.tensor.numel();
  }

  void measure_images(Plan& plan) {
    const auto [sizes, pictures] = image_sizes(data_, kImagesRead);
    plan.pictures = planned_data_.images = pictures;
    planned_data_.masks = static_cast<std::int64_t>(mask_targets(data_.records).size());
    auto& most = plan.largest;
    for (const auto& [width, height] : sizes) {
      const std::int64_t pixels = std::int64_t{width} * height;
      planned_data_.pixels += static_cast<double>(pixels) / static_cast<double>(sizes.size());
      if (pixels <= most.image_width * most.image_height) continue;
      most.image_width = width;
      most.image_height = height;
    }
    plan.mean.image_width = most.image_width;
    plan.mean.image_height = most.image_height;
  }

  PlannedDraws draw(std::int64_t batch_size) const {
    return planned_draws(config_, data_, *bundle_.model, batch_size);
  }

  ProbedStep probe(const StepShape& shape, ActivationCheckpointing checkpointing) const {
    auto options = options_;
    options.activation_checkpointing = checkpointing;
    return extrapolate_step(bundle_.options, options, names_, adapted_, shape);
  }

  void add_time(Plan& plan, const ProbedStep& step) const {
    for (const auto& part : step.seconds) {
      const double times = part.name == "replay" ? 1.0 : static_cast<double>(options_.accumulation);
      plan.seconds.emplace_back(part.name, part.seconds * times);
    }
  }

  /// Other micro-batches of the same dialogues. Their memory is that of the probed one, scaled by
  /// rough_size: what a step keeps grows with its tokens.
  void propose(Plan& plan, ActivationCheckpointing checkpointing, const StepMemory& probed) const {
    const auto dialogues = options_.batch_size * options_.accumulation;
    for (std::int64_t batch = 1; batch <= dialogues; ++batch) {
      if (dialogues % batch != 0) continue;
      const double scale = rough_size(draw(batch).largest, *bundle_.model) /
                           rough_size(plan.largest, *bundle_.model);
      StepMemory memory = probed;
      for (double* bytes : {&memory.batch, &memory.kept, &memory.transient}) *bytes *= scale;
      double sum = 0;
      for (const auto& [name, bytes] : memory_.at_peak(memory, dialogues / batch)) sum += bytes;
      plan.proposals.push_back({batch, dialogues / batch, checkpointing, sum});
    }
  }

  const TrainConfig& config_;
  const TrainOptions& options_;
  OpenBundle bundle_;
  TrainingSet data_;
  std::vector<TrainedParameter> trained_;
  std::vector<std::string> names_, adapted_;
  PlannedData planned_data_;
  PlannedMemory memory_;
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
    json["proposals"].push_back(
        {{"batch_size", proposal.batch_size},
         {"accumulation", proposal.accumulation},
         {"activation_checkpointing", name_of(proposal.activation_checkpointing)},
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
