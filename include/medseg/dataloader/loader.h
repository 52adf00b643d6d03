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

#include "medseg/dataloader/batch_maker.h"
#include "medseg/dataloader/sampler.h"

namespace medseg {

/// The order never depends on threads: each takes the next sequence number, and next() hands out by
/// these numbers. At most 2·workers + 2 batches wait. Batches ahead of the loop are no part of the
/// state of a run: a resumed run seeks its sampler to the count of consumed samples.
class BatchLoader {
 public:
  using Make = std::function<LoadedBatch(const std::vector<Draw>&)>;

  /// With 0 `workers`, next() makes the batch itself.
  BatchLoader(Make make, Sampler sampler, std::int64_t batch_size, std::int64_t workers);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Throws what making this batch threw.
  LoadedBatch next();

 private:
  struct Slot {
    LoadedBatch batch;
    std::exception_ptr error;
  };

  void work();

  Make make_;
  Sampler sampler_;
  std::size_t batch_size_;
  std::uint64_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t taken_ = 0, handed_out_ = 0;  ///< next sequence numbers
  std::map<std::uint64_t, Slot> ready_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace medseg
