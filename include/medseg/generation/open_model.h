/// \file
/// A bundle opened for answering: its path, precision, device and number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "medseg/bundle/audit.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/generation/generate.h"
#include "medseg/nn/precision.h"

namespace medseg {

struct ModelOptions {
  std::filesystem::path bundle;
  std::string precision = "bf16", device = "cpu";
  int threads = 0;
  std::int64_t max_new_tokens = 0;  ///< 0: what the bundle says

  at::ScalarType dtype() const { return precision_named("--precision", precision); }
  /// With the threshold that was chosen on validation data, where the bundle has one.
  GenerationOptions generation(const OpenBundle& opened) const;
};

/// Sets the threads, opens the bundle (on GPU `gpu_index`, where --device is cuda) and makes it
/// fast. \throws CheckpointError if it may not answer: it cannot be read, does not fit, or holds
/// parts that `use` depends on and that were neither loaded nor trained.
OpenBundle open_model(const ModelOptions& options, BundleUse use = BundleUse::kAnswers,
                      int gpu_index = 0);

}  // namespace medseg
