/// \file
/// The memory and time of a training step, measured on a model of the right widths but few layers.
/// All layers of a language model need the same, so models of one and two layers show what forty
/// need. Needs the bundle's config.json alone.
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
  std::int64_t tokens = 0;    ///< of all dialogues, image tokens included
  std::int64_t labelled = 0;  ///< tokens with a label
  std::int64_t masks = 0;     ///< `[SEG]` of all dialogues
  std::int64_t image_height = 0, image_width = 0;
};

/// Bytes of tensors beside the model's own, on the CPU (the kernels of a GPU may keep others).
struct StepMemory {
  double batch = 0;      ///< made by the loader: features and true masks
  double kept = 0;       ///< kept by the forward pass for the backward pass
  double transient = 0;  ///< peak on top of the larger of `kept` and `gradients`
  double gradients = 0;
  double replay = 0;  ///< peak during replay, beside the gradients
};

struct ProbedStep {
  StepMemory memory;
  /// Of one micro-batch and its replay, in a second run after one to warm up.
  std::vector<TimeTable::Part> seconds;
};

/// Runs one micro-batch of `shape`, forward and backward, and the config's replay, on a model with
/// `layers` language layers and random weights. `trained`: names of the parameters that train in
/// the full model; `adapted`: of its layers with adapters. Every layer trains what the full model's
/// layer with the most trained parameters does. Needs the memory of the embeddings, a few layers
/// and one step; pages of the encoders' weights are never touched.
ProbedStep probe_step(const BundleOptions& bundle, const TrainOptions& options,
                      const std::vector<std::string>& trained,
                      const std::vector<std::string>& adapted, const StepShape& shape,
                      std::int64_t layers);

/// The same for the model's own number of layers, extrapolated from probes with one and two.
ProbedStep extrapolate_step(const BundleOptions& bundle, const TrainOptions& options,
                            const std::vector<std::string>& trained,
                            const std::vector<std::string>& adapted, const StepShape& shape);

}  // namespace medseg
