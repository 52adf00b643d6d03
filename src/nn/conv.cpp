#include "medseg/nn/conv.h"

#include <cmath>

#include <ATen/ATen.h>

#include "medseg/nn/initialise.h"

namespace medseg {
namespace {

constexpr double kBatchNormEps = 1e-5;
constexpr double kBatchNormMomentum = 0.1;

double kaiming_bound(std::int64_t fan_in) { return 1.0 / std::sqrt(static_cast<double>(fan_in)); }

Conv2d::Options without_bias(Conv2d::Options options) {
  options.bias = false;
  return options;
}

}  // namespace

Conv2d::Conv2d(std::int64_t in, std::int64_t out, const Options& options) : options_(options) {
  TORCH_CHECK(in % options.groups == 0 && out % options.groups == 0, "Conv2d: ", in, " and ", out,
              " channels do not divide into ", options.groups, " groups");
  const auto k = options.kernel;
  const double bound = kaiming_bound(in / options.groups * k * k);
  register_parameter("weight", weight, uniform_parameter({out, in / options.groups, k, k}, bound));
  if (options.bias) register_parameter("bias", bias, uniform_parameter({out}, bound));
}

at::Tensor Conv2d::forward(const at::Tensor& x) const {
  const auto& o = options_;
  return at::conv2d(x, weight, bias, {o.stride, o.stride}, {o.padding, o.padding}, {1, 1},
                    o.groups);
}

ConvBatchNorm::ConvBatchNorm(std::int64_t in, std::int64_t out, Conv2d::Options options)
    : conv_(in, out, without_bias(options)) {
  register_module("c", conv_);
  register_parameter("bn.weight", weight_, constant_parameter({out}, 1.0));
  register_parameter("bn.bias", bias_, constant_parameter({out}, 0.0));
  register_buffer("bn.running_mean", running_mean_, at::zeros({out}));
  register_buffer("bn.running_var", running_var_, at::ones({out}));
  register_buffer("bn.num_batches_tracked", batches_, at::zeros({}, at::kLong));
}

at::Tensor ConvBatchNorm::forward(const at::Tensor& x) const {
  const bool learns = is_training() && weight_.requires_grad();
  if (learns) batches_.add_(1);
  return at::batch_norm(conv_.forward(x), weight_, bias_, running_mean_, running_var_, learns,
                        kBatchNormMomentum, kBatchNormEps, /*cudnn_enabled=*/true);
}

std::pair<at::Tensor, at::Tensor> ConvBatchNorm::folded() const {
  const at::NoGradGuard no_grad;
  const auto scale = weight_ / (running_var_ + kBatchNormEps).sqrt();  // [out]
  return {conv_.weight * scale.view({-1, 1, 1, 1}), bias_ - running_mean_ * scale};
}

Upsample2x2::Upsample2x2(std::int64_t in, std::int64_t out) {
  const double bound = kaiming_bound(out * 4);  // as torch.nn.ConvTranspose2d counts it
  register_parameter("weight", weight, uniform_parameter({in, out, 2, 2}, bound));
  register_parameter("bias", bias, uniform_parameter({out}, bound));
}

at::Tensor Upsample2x2::forward(const at::Tensor& x) const {
  const auto y = product(x);
  return y + bias.to(y.scalar_type());
}

at::Tensor Upsample2x2::product(const at::Tensor& x) const {
  const auto in = weight.size(0), out = weight.size(1);
  // rows: (row, column, channel).
  const auto dense = weight.permute({2, 3, 1, 0}).reshape({4 * out, in});
  auto shape = x.sizes().vec();
  shape.back() = 2;
  shape.insert(shape.end(), {2, out});
  return at::linear(x, dense).view(shape);
}

}  // namespace medseg
