/// \file
/// Mixed precision for a scope.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// While it exists, matrix products on `device` run in `dtype` (kBFloat16, kHalf); kFloat disables
/// autocast. Scopes nest. The end of the outermost one drops the cached casts of parameters, so
/// that an optimiser step takes effect. State is per thread: each worker makes its own.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, at::ScalarType dtype);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_before_;
  at::ScalarType dtype_before_;
};

/// The dtype in which a matrix product of `x` would run now: autocast's if it is on, else that of
/// x.
at::ScalarType compute_dtype(const at::Tensor& x);

}  // namespace medseg
