#include "medseg/planning/plan.h"

#include <iostream>

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/clock.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

struct PlanArguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  double memory_gb = 0;
  bool json = false;
};

std::string padded(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text + " ";
}
std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : " " + text;
}
std::string millions(std::int64_t count) {
  return fixed(static_cast<double>(count) / 1e6, count < 1'000'000 ? 3 : 1) + " M";
}
std::string gigabytes(double bytes) { return fixed(bytes / 1e9, 2) + " GB"; }

std::string words(const StepShape& shape) {
  return str_cat(shape.dialogues, " dialogues, ", shape.tokens, " tokens, ", shape.labelled,
                 " of all labelled, ", shape.masks, " masks");
}

/// Prints every division of the batch and marks those that do not fit. Suggests the largest batch
/// that fits, without checkpointing if possible, because that costs time.
void print_proposals(const Plan& plan, const TrainConfig& config, double memory_gb) {
  std::cout << "\nthe same dialogues a step, in other micro-batches:\n";
  const Proposal* best = nullptr;
  for (const auto& proposal : plan.proposals) {
    const bool fits = memory_gb <= 0 || proposal.peak_bytes <= memory_gb * 1e9;
    const bool plain = proposal.activation_checkpointing == ActivationCheckpointing::kNone;
    if (fits && (best == nullptr || plain ||
                 best->activation_checkpointing != ActivationCheckpointing::kNone))
      best = &proposal;
    const bool asked = proposal.batch_size == config.train.batch_size &&
                       proposal.activation_checkpointing == config.train.activation_checkpointing;
    std::cout << "  batch_size " << right(str_cat(proposal.batch_size), 3) << " x accumulation "
              << right(str_cat(proposal.accumulation), 3)
              << (plain ? "                " : ", checkpointing ")
              << right(gigabytes(proposal.peak_bytes), 10) << (fits ? "" : "  does not fit")
              << (asked ? "  (this config)" : "") << "\n";
  }
  if (memory_gb <= 0) return;
  if (best == nullptr) {
    std::cout << "nothing fits " << fixed(memory_gb, 1)
              << " GB: the weights, or one dialogue, take more\n";
  } else {
    std::cout << "for " << fixed(memory_gb, 1) << " GB: --set train.batch_size=" << best->batch_size
              << " --set train.accumulation=" << best->accumulation
              << " --set train.activation_checkpointing=" << name_of(best->activation_checkpointing)
              << "\n";
  }
}

void print(const Plan& plan, const TrainConfig& config, double memory_gb) {
  std::cout << padded("parameters", 24) << right("all", 12) << right("trained", 12) << "\n";
  for (const auto& part : plan.parts) {
    std::cout << "  " << padded(part.name, 22) << right(millions(part.parameters), 12)
              << right(millions(part.trained), 12) << "\n";
  }
  std::cout << "\n"
            << plan.records << " records, " << plan.pictures << " images\n"
            << "largest micro-batch: " << words(plan.largest) << "\n"
            << "mean micro-batch:    " << words(plan.mean) << "\n"
            << "\nmemory at the peak\n";
  for (const auto& [name, bytes] : plan.peak)
    std::cout << "  " << padded(name, 22) << right(gigabytes(bytes), 12) << "\n";
  std::cout << "  " << padded("in all", 22) << right(gigabytes(plan.peak_bytes()), 12) << "\n"
            << "\ntime of an optimiser step, " << at::get_num_threads() << " threads\n";
  for (const auto& [name, seconds] : plan.seconds)
    std::cout << "  " << padded(name, 22) << right(fixed(seconds, 3) + " s", 12) << "\n";
  const double step = plan.seconds_per_step();
  std::cout << "  " << padded("in all", 22) << right(fixed(step, 3) + " s", 12) << "; "
            << config.train.steps << " steps "
            << duration_text(step * static_cast<double>(config.train.steps)) << "\n";
  print_proposals(plan, config, memory_gb);
}

void run(const PlanArguments& arguments) {
  const auto config = read_train_config(load_config(arguments.config, arguments.overrides));
  const auto plan = make_plan(config);
  if (arguments.json)
    std::cout << plan.json().dump() << "\n";
  else
    print(plan, config, arguments.memory_gb);
}

}  // namespace

void add_plan(Command& app) {
  auto arguments = std::make_shared<PlanArguments>();
  auto* command = app.add_subcommand(
      "plan", "Estimate what a training config needs: parameters, memory and time per step");
  command->add_option("config", arguments->config, "file in configs/train/, or a run's config.json")
      ->required();
  command
      ->add_option("--set", arguments->overrides,
                   "a.b=value: changes the config; may be given again")
      ->no_more_values();
  command
      ->add_option("--memory", arguments->memory_gb,
                   "available memory in GB: proposes the largest micro-batch that fits")
      ->positive();
  command->add_flag("--json", arguments->json, "one JSON object");
  command->footer(
      "The model is not loaded: one and two of its layers run with random weights at the sizes of\n"
      "the largest micro-batch, the rest is computed from the shapes.\n"
      "Example: medseg plan configs/train/demo.json --memory 8");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace medseg
