/// \file
/// A training config that follows from data and memory, as text with a reason beside each value.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "medseg/dataset/fingerprint.h"
#include "medseg/planning/plan.h"

namespace medseg {

struct ConfigQuestion {
  std::string manifest;  ///< as the config will name it
  std::string model;     ///< a bundle; it need not be there
  double memory_gb = 0;  ///< 10^9 bytes; 0: not known
};

/// Before the plan: one dialogue a micro-batch and no bound on lengths but the model's.
/// `plan`: of that config, where the bundle is there; it decides batch, lengths and rates.
/// The text is JSON with `//` comments that `read_train_config` accepts.
std::string proposed_config(const Fingerprint& found, const ConfigQuestion& question,
                            const std::optional<Plan>& plan);

}  // namespace medseg
