/// \file
/// Micro-batches in the sampler's order, prepared ahead of the loop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "medseg/dataloader/sampler.h"
#include "medseg/dataloader/training_set.h"

namespace medseg {

/// The order never depends on threads: each takes the next place in line, and next() hands out by place. At most
/// 2·workers + 2 batches wait. Batches ahead of the loop are no part of the state: seek() the sampler to what was consumed.
class BatchLoader {
 public:
  using Make = std::function<TrainingBatch(const std::vector<Draw>&)>;

  /// With 0 `workers`, next() makes the batch itself.
  BatchLoader(Make make, Sampler sampler, std::int64_t batch_size, std::int64_t workers);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Throws what making this batch threw.
  TrainingBatch next();

 private:
  struct Slot {
    TrainingBatch batch;
    std::exception_ptr error;
  };

  void work();

  Make make_;
  Sampler sampler_;
  std::size_t batch_size_;
  std::uint64_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t taken_ = 0, handed_out_ = 0;  ///< places in line
  std::map<std::uint64_t, Slot> ready_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace medseg
