#include "medseg/nn/norm.h"

#include <ATen/ATen.h>

#include "medseg/nn/initialise.h"

namespace medseg {

LayerNorm::LayerNorm(std::int64_t width, double eps) : eps_(eps) {
  register_parameter("weight", weight, constant_parameter({width}, 1.0));
  register_parameter("bias", bias, constant_parameter({width}, 0.0));
}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, eps_);
}

RmsNorm::RmsNorm(std::int64_t width, double eps) : eps_(eps) {
  register_parameter("weight", weight, constant_parameter({width}, 1.0));
}

at::Tensor RmsNorm::forward(const at::Tensor& x) const { return rms_norm(x, weight, eps_); }

}  // namespace medseg
