#include "medseg/nn/initialise.h"

#include <ATen/ATen.h>

namespace medseg {
namespace {

thread_local bool skipped = false;
thread_local bool shapes_only = false;
thread_local at::ScalarType matrix_dtype = at::kFloat;

at::Tensor storage(at::IntArrayRef shape) {
  const auto options = at::TensorOptions().dtype(shape.size() >= 2 ? matrix_dtype : at::kFloat);
  return at::empty(shape, shapes_only ? options.device(at::kMeta) : options);
}

bool unfilled() { return skipped || shapes_only; }

}  // namespace

SkipInitialisation::SkipInitialisation() : before_(skipped) { skipped = true; }
SkipInitialisation::~SkipInitialisation() { skipped = before_; }
bool initialisation_skipped() { return skipped; }

ShapesOnly::ShapesOnly() : before_(shapes_only) { shapes_only = true; }
ShapesOnly::~ShapesOnly() { shapes_only = before_; }

MatrixDtype::MatrixDtype(at::ScalarType dtype) : before_(matrix_dtype) { matrix_dtype = dtype; }
MatrixDtype::~MatrixDtype() { matrix_dtype = before_; }

at::Tensor uniform_parameter(at::IntArrayRef shape, double bound) {
  auto values = storage(shape);
  return unfilled() ? values : values.uniform_(-bound, bound);
}

at::Tensor normal_parameter(at::IntArrayRef shape, double deviation) {
  auto values = storage(shape);
  return unfilled() ? values : values.normal_(0.0, deviation);
}

at::Tensor constant_parameter(at::IntArrayRef shape, double value) {
  auto values = storage(shape);
  return unfilled() ? values : values.fill_(value);
}

}  // namespace medseg
