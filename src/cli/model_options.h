/// \file
/// What every command that answers needs: a bundle, a precision, a device, a number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include "medseg/inference/generate.h"
#include "medseg/models/audit.h"
#include "medseg/nn/precision.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

struct ModelOptions {
  std::filesystem::path bundle;
  std::string precision = "bf16", device = "cpu";
  int threads = 0;
  std::int64_t max_new_tokens = 0;  ///< 0: what the bundle says

  at::ScalarType dtype() const { return precision_named("--precision", precision); }
  GenerationOptions generation(const OpenBundle& opened) const;
};

/// --model, --precision, --device, --threads, --max-new-tokens.
void add_model_options(CLI::App& command, ModelOptions& options, bool model_required = true);

/// Sets the threads, opens the bundle (on GPU `place`, where --device is cuda) and makes it fast. \throws CheckpointError if it may not answer: it cannot be read,
/// does not fit, or holds parts that were never loaded nor trained and that `use` depends on.
OpenBundle open_model(const ModelOptions& options, BundleUse use = BundleUse::kAnswers,
                      int place = 0);

}  // namespace medseg
