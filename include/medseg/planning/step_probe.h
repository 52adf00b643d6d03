/// \file
/// What a training step takes, found by running it on a model of the right widths but few layers: every layer of a language
/// model takes the same, so one and two of them tell what forty do. Nothing is read but the bundle's config.json.
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/bundle/bundle.h"
#include "medseg/training/options.h"
#include "medseg/training/time_table.h"

namespace medseg {

/// Sizes of a micro-batch.
struct StepShape {
  std::int64_t dialogues = 1;
  std::int64_t tokens = 0;    ///< of all dialogues, their pictures' included
  std::int64_t labelled = 0;  ///< those with a label
  std::int64_t masks = 0;     ///< `[SEG]` of all dialogues
  std::int64_t image_height = 0, image_width = 0;
};

/// Bytes of tensors beyond the model's own, on the CPU (a GPU's kernels may keep others).
struct StepMemory {
  double batch = 0;      ///< what the loader made: features and true masks
  double kept = 0;       ///< kept from the forward pass for the backward pass
  double transient = 0;  ///< most that comes and goes on top
  double gradients = 0;  ///< of what trains
  double replay = 0;     ///< most during the replayed masks
};

struct ProbedStep {
  StepMemory memory;
  std::vector<TimeTable::Part>
      seconds;  ///< of one micro-batch and its replay; the second run's, without warming up
};

/// One micro-batch of `shape`, forward and backward, and the config's replay, on a model with `layers` language layers and random
/// weights. `trained`: names of the full model's parameters that train, and `adapted` of its layers with adapters; the layer of
/// the most counts for all. Takes the memory of the embeddings, a few layers and one step; the encoders' is not touched.
ProbedStep probe_step(const BundleOptions& bundle, const TrainOptions& options,
                      const std::vector<std::string>& trained,
                      const std::vector<std::string>& adapted, const StepShape& shape,
                      std::int64_t layers);

/// The same for the model's own number of layers, from probes with one and two.
ProbedStep extrapolate_step(const BundleOptions& bundle, const TrainOptions& options,
                            const std::vector<std::string>& trained,
                            const std::vector<std::string>& adapted, const StepShape& shape);

}  // namespace medseg
