/// \file
/// AdamW with parameter groups, and clipping by the global norm (src/README.md, choice 17). Trained
/// parameters are float32; there are no copies of another precision.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/comm/comm.h"
#include "medseg/optim/options.h"

namespace medseg {

/// A parameter that trains, with its published name; new token rows are "MATRIX.new_rows".
struct TrainedParameter {
  std::string name;
  /// A leaf, float32, requires a gradient.
  at::Tensor tensor;
};

/// Returns the L2 norm of all gradients together. If it exceeds `limit`, all gradients are
/// multiplied by limit / (norm + 1e-6). A `limit` of 0 and a norm that is not finite leave them as
/// they are.
double clip_gradients(const std::vector<TrainedParameter>& parameters, double limit);

/// Decoupled weight decay (arXiv 1711.05101), bias-corrected, one fused call for each group. A
/// parameter without a gradient does not change, not even by decay.
///
/// With options.shard and several ranks (ZeRO-1, arXiv 1910.02054) each rank keeps the moments of
/// some of the parameters, updates those and gets the new values of the others from their ranks.
/// The numbers are those of one rank.
class AdamW {
 public:
  AdamW(const OptimizerOptions& options, std::vector<TrainedParameter> parameters,
        Comm* comm = nullptr);

  /// One step at the peak rates times `factor`; then the gradients are dropped. Collective when
  /// moments are sharded.
  void step(double factor);
  /// Instead of step(): nothing changes, and bias correction does not count it as a step.
  void drop_gradients();

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  /// Peak learning rate of parameter i.
  double rate(std::size_t i) const;

  /// "exp_avg.NAME", "exp_avg_sq.NAME", "step.NAME": the tensors themselves, to save them or to
  /// copy saved ones into them. When moments are sharded, those of this rank.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  /// Of the moments and step counters of all ranks.
  std::uint64_t state_bytes() const;

  /// As long as one exists, state() of rank 0 has the moments of all ranks: for a checkpoint. All
  /// ranks make one together.
  class Gathered {
   public:
    explicit Gathered(AdamW& optimizer) : optimizer_(optimizer) { optimizer_.gather_moments(); }
    ~Gathered() { optimizer_.drop_others(); }
    Gathered(const Gathered&) = delete;
    Gathered& operator=(const Gathered&) = delete;

   private:
    AdamW& optimizer_;
  };

 private:
  struct Group {
    double lr = 0, weight_decay = 0;
    std::vector<std::size_t> members;
  };

  bool is_sharded() const { return comm_ != nullptr; }
  bool is_own(std::size_t i) const { return !is_sharded() || owner_[i] == comm_->rank(); }
  void assign_owners();
  void broadcast_values();
  void gather_moments();
  void drop_others();

  OptimizerOptions options_;
  std::vector<TrainedParameter> parameters_;
  /// Null unless moments are sharded.
  Comm* comm_;
  /// The rank that has the moments of each parameter.
  std::vector<int> owner_;
  std::vector<Group> groups_;
  std::vector<std::size_t> group_of_;
  /// Undefined where another rank has them.
  std::vector<at::Tensor> first_moments_, second_moments_;
  std::vector<at::Tensor> steps_;
};

}  // namespace medseg
