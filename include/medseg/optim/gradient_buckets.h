/// \file
/// The gradients of all ranks, summed while backward still computes (arXiv 2006.15704).
///
/// Parameters lie in buckets in the reverse of the model's order, which is about the order in which backward completes them. In
/// the last backward pass of a step a bucket goes out as soon as all its gradients are there; earlier passes (accumulation)
/// send nothing. Buckets go out in one fixed order, on every rank and in every step, so that sums do not depend on timing nor
/// on where a run was resumed; for that reason buckets are not arranged anew after the first step, as c10d's Reducer does.
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

/// Alone, nothing happens. Losses must be each rank's part of one sum: there is no division by the number of ranks.
class GradientBuckets {
 public:
  /// `comes_late`: names of parameters that get gradients from a further pass (finish_early). At most `bucket_bytes` lie in a
  /// bucket, unless one parameter is larger; a 25th of that in the first, so that sending begins soon.
  GradientBuckets(Comm& comm, std::vector<TrainedParameter> parameters,
                  const std::function<bool(const std::string&)>& comes_late,
                  std::int64_t bucket_bytes = std::int64_t{25} << 20);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Before this rank's last pass over its micro-batches.
  void begin();
  /// After it, before the further pass: all but the late buckets are under way when this returns.
  void finish_early();
  /// After the last pass: waits. Every gradient is the sum over all ranks, the same bits on each; a parameter has one if it
  /// has one on any rank. \throws PeerLost
  void finish();

  std::size_t bucket_count() const;
  /// Buckets so far that went out before the pass was over.
  std::int64_t sent_during_backward() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the hooks of the parameters
};

}  // namespace medseg
