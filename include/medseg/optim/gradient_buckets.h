/// \file
/// The gradients of all ranks, summed while backward still computes (arXiv 2006.15704).
///
/// Parameters are put into buckets in the reverse order of the model, which is about the order in
/// which the backward pass completes their gradients. In the last backward pass of a step a
/// bucket's all_reduce starts as soon as all its gradients are complete; earlier passes
/// (accumulation) send nothing. Buckets are sent in one fixed order, on every rank and in every
/// step, so that sums depend neither on timing nor on where a run was resumed. For that reason
/// buckets are not rearranged after the first step, as c10d's Reducer does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/comm/comm.h"
#include "medseg/optim/optimizer.h"

namespace medseg {

/// With one rank nothing here does anything. Gradients are summed, not averaged: the loss of each
/// rank must be its part of the whole step's loss.
class GradientBuckets {
 public:
  /// `comes_late` says which parameters get gradients from a second pass too (finish_early). A
  /// bucket holds at most `bucket_bytes`, unless one parameter is larger; the first bucket of a
  /// pass a 25th of that, so that sending begins soon.
  GradientBuckets(Comm& comm, std::vector<TrainedParameter> parameters,
                  const std::function<bool(const std::string&)>& comes_late,
                  std::int64_t bucket_bytes = std::int64_t{25} << 20);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Called before this rank's last backward pass over its micro-batches.
  void begin();
  /// Called after that pass and before a second one, if there is one: sends all buckets but the
  /// late.
  void finish_early();
  /// Called after the last pass: sends the rest and waits. Then every gradient is the sum over all
  /// ranks, with the same bits on each; a parameter has a gradient if it has one on any rank.
  /// \throws PeerLost
  void finish();

  std::size_t bucket_count() const;
  /// How many buckets were sent while a backward pass still ran, over all steps.
  std::int64_t sent_during_backward() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the hooks of the parameters
};

}  // namespace medseg
