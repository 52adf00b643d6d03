/// \file
/// New parameters: leaves without gradient, with first values or (while loading) with none; fp32 unless a MatrixDtype says
/// otherwise.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// While one lives on this thread, new parameters get storage but no values: whoever loads a checkpoint strictly
/// need not draw 135 million random numbers first.
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

/// While one lives on this thread, new parameters have a shape and no memory (torch's meta device): a network can be asked
/// what it would hold before anything is allocated. Such a network cannot compute.
class ShapesOnly {
 public:
  ShapesOnly();
  ~ShapesOnly();
  ShapesOnly(const ShapesOnly&) = delete;
  ShapesOnly& operator=(const ShapesOnly&) = delete;

 private:
  bool before_;
};

/// While one lives on this thread, new parameters of two or more dimensions have this dtype: a model that is kept in bf16
/// never takes the room of fp32. Vectors stay fp32.
class MatrixDtype {
 public:
  explicit MatrixDtype(at::ScalarType dtype);
  ~MatrixDtype();
  MatrixDtype(const MatrixDtype&) = delete;
  MatrixDtype& operator=(const MatrixDtype&) = delete;

 private:
  at::ScalarType before_;
};

/// U(-bound, bound), N(0, deviation²) from torch's default generator; the same value everywhere.
at::Tensor uniform_parameter(at::IntArrayRef shape, double bound);
at::Tensor normal_parameter(at::IntArrayRef shape, double deviation);
at::Tensor constant_parameter(at::IntArrayRef shape, double value);

}  // namespace medseg
