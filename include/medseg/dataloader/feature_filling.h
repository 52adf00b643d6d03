/// \file
/// Features of all images of a training set, before the first step.
#pragma once

#include <utility>

#include <ATen/core/Tensor.h>

#include "medseg/comm/comm.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/pipeline/features.h"

namespace medseg {

/// So that no encoder runs beside the training steps: two OpenMP teams on the same cores wait for
/// each other far longer than they compute. Images beyond the cache's limit come later, as they are
/// drawn; with a folder they are read from it from then on. Does nothing where every visit is
/// augmented. On several ranks each computes its share and reads the others' if the cache has a
/// folder; without one each computes all.
void fill_features(TrainingSet& data, FeatureCache& cache, Comm* comm = nullptr);

/// Mean and deviation of each channel of the tower's features over all images, [Dv] float32 each.
std::pair<at::Tensor, at::Tensor> vision_statistics(TrainingSet& data, FeatureCache& cache);

}  // namespace medseg
