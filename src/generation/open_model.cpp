#include "medseg/generation/open_model.h"

#include <ATen/Parallel.h>

#include "medseg/base/str.h"
#include "medseg/bundle/thresholds.h"

namespace medseg {

GenerationOptions ModelOptions::generation(const OpenBundle& opened) const {
  GenerationOptions generation;
  generation.max_new_tokens = max_new_tokens > 0 ? max_new_tokens : opened.options.max_new_tokens;
  if (const auto thresholds = read_thresholds(bundle))
    generation.mask_threshold = thresholds->mask_score;
  return generation;
}

OpenBundle open_model(const ModelOptions& options, BundleUse use, int gpu_index) {
  const auto precision = options.dtype();
  const auto device = device_named("--device", options.device, gpu_index);
  if (options.threads < 0)
    throw ConfigError("--threads", str_cat(options.threads, " is out of range"));
  if (options.max_new_tokens < 0)
    throw ConfigError("--max-new-tokens", str_cat(options.max_new_tokens, " is out of range"));
  if (options.threads > 0) at::set_num_threads(options.threads);
  refuse_untrained(read_bundle_options(options.bundle), options.bundle, use);
  OpenBundle bundle = open_bundle(options.bundle);
  move_to(*bundle.model, device);
  prepare_for_inference(bundle, precision);
  return bundle;
}

}  // namespace medseg
