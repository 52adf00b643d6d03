/// \file
/// AdamW with parameter groups, and the global clip (semantics 17). Masters are the parameters themselves: float32.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/comm/comm.h"
#include "medseg/optim/options.h"

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
///
/// With options.shard on several ranks (ZeRO-1) each keeps moments for its share of the parameters, whole tensors dealt out by
/// size, steps those and gets the others' values from their ranks. Every number is what it would be without.
class AdamW {
 public:
  AdamW(const OptimizerOptions& options, std::vector<TrainedParameter> parameters,
        Comm* comm = nullptr);

  /// One step at the peak rates times `factor`; gradients are dropped afterwards. Collective where moments are divided.
  void step(double factor);
  /// For a step that is not taken: nothing moves, nor does it count as one.
  void drop_gradients();

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  /// Peak rate of parameter i.
  double rate(std::size_t i) const;

  /// "exp_avg.NAME", "exp_avg_sq.NAME", "step.NAME": the tensors themselves, to save or to copy into. Of this rank's share,
  /// where they are divided.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  std::uint64_t state_bytes() const;  ///< of all ranks' shares

  /// While one lives, rank 0's state() is everybody's: for a checkpoint. Made by all ranks together.
  class Gathered {
   public:
    explicit Gathered(AdamW& optimizer) : optimizer_(optimizer) { optimizer_.gather(); }
    ~Gathered() { optimizer_.forget(); }
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

  bool is_divided() const { return comm_ != nullptr; }
  bool is_own(std::size_t i) const { return !is_divided() || owner_[i] == comm_->rank(); }
  void deal_out();
  void share_values();
  void gather();
  void forget();

  OptimizerOptions options_;
  std::vector<TrainedParameter> parameters_;
  Comm* comm_;              ///< null unless moments are divided
  std::vector<int> owner_;  ///< rank of each parameter
  std::vector<Group> groups_;
  std::vector<std::size_t> group_of_;
  std::vector<at::Tensor> first_moments_,
      second_moments_;  ///< undefined where another rank has them
  std::vector<at::Tensor> steps_;
};

}  // namespace medseg
