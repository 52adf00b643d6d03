#include "medseg/nn/tensor_memory.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

namespace medseg {
namespace {

/// torch's allocator reports every allocation to it, as to its profiler.
class Counter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* pointer, std::int64_t bytes, std::size_t /*total*/,
                         std::size_t /*reserved*/, c10::Device device) override {
    if (!device.is_cpu()) return;
    const std::lock_guard lock(mutex_);
    if (bytes > 0) {
      sizes_[pointer] = bytes;
      live_ += bytes;
      peak_ = std::max(peak_, live_);
    } else if (const auto known = sizes_.find(pointer); known != sizes_.end()) {
      live_ -= known->second;
      sizes_.erase(known);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }

  std::int64_t live() const {
    const std::lock_guard lock(mutex_);
    return live_;
  }
  std::int64_t peak() const {
    const std::lock_guard lock(mutex_);
    return peak_;
  }
  void begin_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = live_;
  }

 private:
  mutable std::mutex mutex_;  // backward passes of other devices run on threads of their own
  std::unordered_map<void*, std::int64_t> sizes_;
  std::int64_t live_ = 0, peak_ = 0;
};

}  // namespace

struct TensorMemory::Watch {
  std::shared_ptr<Counter> counter = std::make_shared<Counter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, counter};
};

TensorMemory::TensorMemory() : watch_(std::make_unique<Watch>()) {}
TensorMemory::~TensorMemory() = default;

std::int64_t TensorMemory::live() const { return watch_->counter->live(); }
std::int64_t TensorMemory::peak() const { return watch_->counter->peak(); }
void TensorMemory::begin_peak() { watch_->counter->begin_peak(); }

}  // namespace medseg
