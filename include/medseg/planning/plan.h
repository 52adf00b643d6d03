/// \file
/// What a training config takes, told before the model is loaded: parameters, memory by component, time per step.
///
/// The largest micro-batch of the run is known from the manifests (the sampler is a fixed function of its seed). What a step
/// of that size keeps is measured on one and two layers (step_probe.h) and extended to all; weights, optimiser and cache are
/// counted from shapes. On the CPU; the time is this machine's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/planning/step_probe.h"
#include "medseg/training/options.h"

namespace medseg {

struct PlannedPart {
  std::string name;  ///< "language model", "vision tower", …
  std::int64_t parameters = 0, trained = 0;
};

/// A config of the same dialogues a step that needs other memory.
struct Proposal {
  std::int64_t batch_size = 1, accumulation = 1;
  ActivationCheckpointing activation_checkpointing = ActivationCheckpointing::kNone;
  double peak_bytes = 0;
};

struct Plan {
  std::vector<PlannedPart> parts;
  StepShape largest;  ///< the micro-batch that keeps the most
  StepShape mean;     ///< a micro-batch of mean length, for the time
  std::int64_t records = 0, pictures = 0;
  /// What is resident at the peak, which is while the largest step's memory is still the allocator's and a checkpoint is
  /// written; its sum is the peak. Names are for people and programs alike.
  std::vector<std::pair<std::string, double>> peak;
  std::vector<std::pair<std::string, double>> seconds;  ///< of an optimiser step, by part
  /// Every batch size that divides the dialogues of a step, ascending; each without and with checkpointing.
  std::vector<Proposal> proposals;

  double peak_bytes() const;
  double seconds_per_step() const;
  nlohmann::ordered_json json() const;
};

/// Reads config.json, tokenizer and headers of the bundle, the manifests and up to 64 pictures. Draws from torch's generator.
/// \throws what a training of this config would throw before its first step, but for what only weights can tell.
Plan make_plan(const TrainConfig& config);

}  // namespace medseg
