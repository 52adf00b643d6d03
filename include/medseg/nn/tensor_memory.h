/// \file
/// How much memory tensors take, by count: no other process and no allocator's habit changes the numbers.
#pragma once

#include <cstdint>
#include <memory>

namespace medseg {

/// Bytes of CPU tensors that were made by this thread (backward passes started here included) since the object was: what
/// stood before does not count, and what of it is freed meanwhile does not either. Scratch memory inside of libraries is
/// not seen. Objects nest, and then the inner one alone counts.
class TensorMemory {
 public:
  TensorMemory();
  ~TensorMemory();
  TensorMemory(const TensorMemory&) = delete;
  TensorMemory& operator=(const TensorMemory&) = delete;

  std::int64_t live() const;
  std::int64_t peak() const;  ///< most that were live at once, since begin_peak() if it was called
  void begin_peak();

 private:
  struct Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace medseg
