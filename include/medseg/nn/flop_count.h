/// \file
/// Counts the floating-point operations of matrix products.
#pragma once

namespace medseg {

/// While one exists, torch's matrix products (mm, addmm, bmm, baddbmm), convolutions and fused
/// attention are counted as they run, on all threads, with 2 per multiply-add. Repeated work of the
/// backward pass is included. Attention counts all keys, even where a mask hides half of them. Not
/// counted: operations other than matrix products, and our own kernels that do not call
/// `add_flops`.
class FlopCount {
 public:
  FlopCount();
  ~FlopCount();
  FlopCount(const FlopCount&) = delete;
  FlopCount& operator=(const FlopCount&) = delete;

 private:
  unsigned long handle_;
};

/// To be called by our own kernels; ignored if no FlopCount exists.
void add_flops(double flops);

/// Sum over all FlopCounts of this process so far; only differences have a meaning.
double counted_flops();

}  // namespace medseg
