#include "medseg/nn/allocation_count.h"

#include <atomic>
#include <memory>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

namespace medseg {
namespace {

std::atomic<std::int64_t> live_bytes = 0, peak_bytes = 0;
std::atomic<std::int64_t> generation =
    0;  // of the count: what an earlier one made is not this one's to subtract
std::atomic<bool> counting = false;

void add(std::int64_t bytes) {
  const auto now = live_bytes += bytes;
  auto known = peak_bytes.load();
  while (now > known && !peak_bytes.compare_exchange_weak(known, now)) {
  }
}

struct Held {
  c10::DataPtr memory;
  std::int64_t bytes, generation;
};

void give_back(void* context) {
  const std::unique_ptr<Held> held(static_cast<Held*>(context));
  if (counting && held->generation == generation) live_bytes -= held->bytes;
}

/// Stands before torch's own allocator.
class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator& own) : own_(own) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    auto held = std::make_unique<Held>(
        Held{own_.allocate(bytes), static_cast<std::int64_t>(bytes), generation.load()});
    void* const data = held->memory.get();
    const auto device = held->memory.device();
    add(held->bytes);
    return {data, held.release(), &give_back, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    own_.copy_data(to, from, bytes);
  }
  c10::Allocator& own() const { return own_; }

 private:
  c10::Allocator& own_;
};

// Never destroyed: a tensor's storage keeps a pointer to the allocator that made it.
CountingAllocator& allocator() {
  static auto& instance = *new CountingAllocator(*c10::GetCPUAllocator());
  return instance;
}

}  // namespace

AllocationCount::AllocationCount() {
  TORCH_CHECK(!counting.exchange(true), "AllocationCount: one at a time");
  ++generation;
  live_bytes = peak_bytes = 0;
  c10::SetCPUAllocator(&allocator());
}

AllocationCount::~AllocationCount() {
  c10::SetCPUAllocator(&allocator().own());
  counting = false;
}

std::int64_t AllocationCount::live() const { return live_bytes; }
std::int64_t AllocationCount::peak() const { return peak_bytes; }
void AllocationCount::begin_peak() { peak_bytes = live_bytes.load(); }

}  // namespace medseg
