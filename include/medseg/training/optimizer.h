/// \file
/// AdamW with parameter groups, and the global clip (semantics 17). Masters are the parameters themselves: float32.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/training/options.h"

namespace medseg {

/// A parameter that trains: a leaf with its published name (that of its matrix, for new token rows).
struct TrainedParameter {
  std::string name;
  at::Tensor tensor;  ///< float32, requires a gradient
};

/// L2 norm over all gradients together, before clipping; where it exceeds `limit` (> 0) all are scaled by
/// limit / (norm + 1e-6), unless the norm is not finite. Parameters without a gradient do not take part.
double clip_gradients(const std::vector<TrainedParameter>& parameters, double limit);

/// Decoupled weight decay (arXiv 1711.05101), bias-corrected, one fused call a group. What has no gradient does not move,
/// not even by decay.
class AdamW {
 public:
  AdamW(const OptimizerOptions& options, std::vector<TrainedParameter> parameters);

  /// One step at the peak rates times `factor`; gradients are dropped afterwards.
  void step(double factor);
  /// For a step that is not taken: nothing moves, nor does it count as one.
  void drop_gradients();

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  /// Peak rate of parameter i.
  double rate(std::size_t i) const;

  /// "exp_avg.NAME", "exp_avg_sq.NAME", "step.NAME": the tensors themselves, to save or to copy into.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  struct Group {
    double lr = 0, weight_decay = 0;
    std::vector<std::size_t> members;
  };

  OptimizerOptions options_;
  std::vector<TrainedParameter> parameters_;
  std::vector<Group> groups_;
  std::vector<std::size_t> group_of_;
  std::vector<at::Tensor> first_moments_, second_moments_, steps_;
};

}  // namespace medseg
