#include "medseg/nn/initialise.h"

#include <ATen/ATen.h>

namespace medseg {
namespace {

thread_local bool skipped = false;

at::Tensor storage(at::IntArrayRef shape) { return at::empty(shape, at::kFloat); }

}  // namespace

SkipInitialisation::SkipInitialisation() : before_(skipped) { skipped = true; }
SkipInitialisation::~SkipInitialisation() { skipped = before_; }
bool initialisation_skipped() { return skipped; }

at::Tensor uniform_parameter(at::IntArrayRef shape, double bound) {
  auto values = storage(shape);
  return skipped ? values : values.uniform_(-bound, bound);
}

at::Tensor normal_parameter(at::IntArrayRef shape, double deviation) {
  auto values = storage(shape);
  return skipped ? values : values.normal_(0.0, deviation);
}

at::Tensor constant_parameter(at::IntArrayRef shape, double value) {
  auto values = storage(shape);
  return skipped ? values : values.fill_(value);
}

}  // namespace medseg
