/// \file
/// The parameters, memory and time that a training config needs, found without loading the model.
///
/// The largest micro-batch of the run follows from the manifests, since the sampler is a fixed
/// function of its seed. The memory of a step of that size is measured on models of one and two
/// layers and extrapolated to all (step_probe.h); weights, optimiser and cache are counted from
/// shapes. On the CPU; the time is that of this machine.
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

/// Another division of the same dialogues into micro-batches, and the memory that it needs.
struct Proposal {
  std::int64_t batch_size = 1, accumulation = 1;
  ActivationCheckpointing activation_checkpointing = ActivationCheckpointing::kNone;
  double peak_bytes = 0;
};

struct Plan {
  std::vector<PlannedPart> parts;
  /// The micro-batch that keeps the most memory.
  StepShape largest;
  /// A micro-batch of mean size, for the time.
  StepShape mean;
  std::int64_t records = 0, pictures = 0;
  /// Bytes by component at the peak: when a checkpoint is written while the allocator still holds
  /// the memory of the largest step. The names also go into the JSON.
  std::vector<std::pair<std::string, double>> peak;
  /// Of an optimiser step, by part of the TimeTable.
  std::vector<std::pair<std::string, double>> seconds;
  /// One for each batch size that divides the dialogues of a step, ascending, without and with
  /// activation checkpointing.
  std::vector<Proposal> proposals;

  double peak_bytes() const;
  double seconds_per_step() const;
  nlohmann::ordered_json json() const;
};

/// Reads config.json, tokenizer and headers of the bundle, the manifests and up to 64 images. Draws
/// from torch's generator. \throws what training with this config would throw before its first
/// step, except faults that only the weights show.
Plan make_plan(const TrainConfig& config);

}  // namespace medseg
