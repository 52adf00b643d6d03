/// \file
/// How many bytes of tensors live, and the most that lived at once.
#pragma once

#include <cstdint>

namespace medseg {

/// While it exists, counts the memory that CPU tensors take, of all threads, at one pointer's bookkeeping an allocation.
/// Tensors from before are not counted, those made meanwhile may outlive it. Not counted: what libraries take for
/// themselves (oneDNN's scratch, the allocator's slack). One at a time in a process.
class AllocationCount {
 public:
  AllocationCount();
  ~AllocationCount();
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

  std::int64_t live() const;  ///< bytes, of tensors that were made since it exists
  std::int64_t peak() const;  ///< the most that live() was since begin_peak(), or since it exists
  void begin_peak();
};

}  // namespace medseg
