/// \file
/// New parameters: leaves without gradient. They get initial values, or none while a checkpoint is
/// loaded. They are fp32 unless a MatrixDtype exists.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// While one exists on this thread, new parameters get memory but no values: code that loads a
/// whole checkpoint need not draw 135 million random numbers first.
class SkipInitialisation {
 public:
  SkipInitialisation();
  ~SkipInitialisation();
  SkipInitialisation(const SkipInitialisation&) = delete;
  SkipInitialisation& operator=(const SkipInitialisation&) = delete;

 private:
  bool before_;
};
bool initialisation_skipped();

/// While one exists on this thread, new parameters have a shape but no memory (torch's meta
/// device), so that the size of a network is known before anything is allocated. Such a network
/// cannot compute.
class ShapesOnly {
 public:
  ShapesOnly();
  ~ShapesOnly();
  ShapesOnly(const ShapesOnly&) = delete;
  ShapesOnly& operator=(const ShapesOnly&) = delete;

 private:
  bool before_;
};

/// While one exists on this thread, new parameters of two or more dimensions have this dtype, so
/// that a bf16 model never takes the memory of an fp32 one. Vectors stay fp32.
class MatrixDtype {
 public:
  explicit MatrixDtype(at::ScalarType dtype);
  ~MatrixDtype();
  MatrixDtype(const MatrixDtype&) = delete;
  MatrixDtype& operator=(const MatrixDtype&) = delete;

 private:
  at::ScalarType before_;
};

/// U(-bound, bound) and N(0, deviation²) from torch's default generator; one value for all.
at::Tensor uniform_parameter(at::IntArrayRef shape, double bound);
at::Tensor normal_parameter(at::IntArrayRef shape, double deviation);
at::Tensor constant_parameter(at::IntArrayRef shape, double value);

}  // namespace medseg
