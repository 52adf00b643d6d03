/// \file
/// Memory of tensors, by counting: independent of other processes and of the allocator.
#pragma once

#include <cstdint>
#include <memory>

namespace medseg {

/// Bytes of the CPU tensors that this thread has made since the object was, backward passes that it
/// started included. Earlier tensors do not count, neither when they exist nor when they are freed.
/// Working memory inside libraries is not seen. If objects nest, only the inner one counts.
class TensorMemory {
 public:
  TensorMemory();
  ~TensorMemory();
  TensorMemory(const TensorMemory&) = delete;
  TensorMemory& operator=(const TensorMemory&) = delete;

  std::int64_t live() const;
  /// The most that existed at once, since begin_peak() if it was called.
  std::int64_t peak() const;
  void begin_peak();

 private:
  struct Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace medseg
