/// \file
/// How many floating-point operations matrix products did.
#pragma once

namespace medseg {

/// While one exists, torch's matrix products (mm, addmm, bmm, baddbmm), convolutions and fused attention are counted as they
/// run, of all threads: 2 a multiply-add, what is done again in the backward pass included. Attention counts all keys, also
/// where a mask hides half of them. Not counted: what is no product of matrices, and products of our own kernels that do not
/// tell (`add_flops`).
class FlopCount {
 public:
  FlopCount();
  ~FlopCount();
  FlopCount(const FlopCount&) = delete;
  FlopCount& operator=(const FlopCount&) = delete;

 private:
  unsigned long handle_;
};

/// What a kernel of ours did; forgotten where no FlopCount exists.
void add_flops(double flops);

/// Of all FlopCounts so far, in this process; only differences mean anything.
double counted_flops();

}  // namespace medseg
