#include "medseg/nn/layer_norm_2d.h"

#include <ATen/ATen.h>

#include "medseg/nn/initialise.h"

namespace medseg {

LayerNorm2d::LayerNorm2d(std::int64_t channels, double eps) : eps_(eps) {
  register_parameter("weight", weight, constant_parameter({channels}, 1.0));
  register_parameter("bias", bias, constant_parameter({channels}, 0.0));
}

at::Tensor LayerNorm2d::forward(const at::Tensor& x) const {
  return forward_last(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

at::Tensor LayerNorm2d::forward_last(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, eps_);
}

}  // namespace medseg
