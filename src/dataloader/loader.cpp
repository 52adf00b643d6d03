#include "medseg/dataloader/loader.h"

#include <utility>

#include "medseg/nn/parallel.h"

namespace medseg {

BatchLoader::BatchLoader(Make make, Sampler sampler, std::int64_t batch_size, std::int64_t workers)
    : make_(std::move(make)),
      sampler_(std::move(sampler)),
      batch_size_(static_cast<std::size_t>(batch_size)),
      depth_(static_cast<std::uint64_t>(2 * workers + 2)) {
  for (std::int64_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void BatchLoader::work() {
  stay_on_one_thread();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || taken_ < handed_out_ + depth_; });
    if (stop_) return;
    const auto number = taken_++;
    const auto draws = sampler_.next(batch_size_);
    lock.unlock();
    Slot slot;
    try {
      slot.batch = make_(draws);
    } catch (...) {
      slot.error = std::current_exception();
    }
    lock.lock();
    ready_.emplace(number, std::move(slot));
    changed_.notify_all();
  }
}

LoadedBatch BatchLoader::next() {
  if (threads_.empty()) return make_(sampler_.next(batch_size_));
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_.contains(handed_out_); });
  auto node = ready_.extract(handed_out_++);
  lock.unlock();
  changed_.notify_all();
  if (node.mapped().error) std::rethrow_exception(node.mapped().error);
  return std::move(node.mapped().batch);
}

}  // namespace medseg
