#include "medseg/nn/linear.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/nn/autocast.h"
#include "medseg/nn/dropout.h"
#include "medseg/nn/initialise.h"

namespace medseg {
namespace {

/// A tensor that has a shape but takes no memory; its values read as NaN.
at::Tensor nowhere(at::IntArrayRef shape, at::ScalarType dtype, at::Device device) {
  return at::full({1, 1}, std::numeric_limits<double>::quiet_NaN(),
                  at::TensorOptions(dtype).device(device))
      .expand(shape);
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias) {
  // Kaiming uniform with a = sqrt 5 is U(-1/sqrt(in), 1/sqrt(in)) for weight and bias alike.
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  register_parameter("weight", weight, uniform_parameter({out, in}, bound));
  if (with_bias) register_parameter("bias", bias, uniform_parameter({out}, bound));
}

at::Tensor Linear::forward(const at::Tensor& x) const {
  if (stand_in_.defined()) return at::linear(x, stand_in_, bias);
  if (merged_dtype_) return at::linear(x, merged_weight().to(*merged_dtype_), bias);
  auto y = low_bit_ ? beside_low_bit(x) : at::linear(x, weight, bias);
  if (!has_adapter()) return y;
  const bool drops = dropout_ > 0 && is_training();
  const auto low = at::linear(drops ? dropout(x, dropout_) : x, lora_a);  // [..., r]
  return y + at::linear(low * scale_, lora_b);
}

const at::Tensor& Linear::only_matrix() const {
  static const at::Tensor none;
  if (stand_in_.defined()) return stand_in_;
  return merged_dtype_ || low_bit_ || has_adapter() ? none : weight;
}

at::Tensor Linear::beside_low_bit(const at::Tensor& x) const {
  if (!bias.requires_grad()) return low_bit_linear(x, *low_bit_, bias);
  const auto y = low_bit_linear(x, *low_bit_, {});
  return y + bias.to(y.scalar_type());
}

void Linear::add_adapter(std::int64_t rank, double alpha, double dropout, bool rank_stabilised) {
  TORCH_CHECK(!has_adapter() && rank > 0, "Linear: one adapter of a positive rank, got rank ",
              rank);
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
  register_parameter("lora_A.weight", lora_a,
                     uniform_parameter({rank, weight.size(1)}, bound).to(weight.device()));
  register_parameter("lora_B.weight", lora_b,
                     constant_parameter({weight.size(0), rank}, 0.0).to(weight.device()));
  lora_a.set_requires_grad(true);
  lora_b.set_requires_grad(true);
  rank_ = rank;
  const auto r = static_cast<double>(rank);
  scale_ = alpha / (rank_stabilised ? std::sqrt(r) : r);
  dropout_ = dropout;
}

at::Tensor Linear::merged_weight() const {
  if (!has_adapter())
    return low_bit_ ? low_bit_->dequantised(weight.scalar_type()) : weight.detach();
  const at::NoGradGuard no_grad;
  const auto wide = low_bit_ ? low_bit_->dequantised(at::kFloat) : weight.to(at::kFloat);
  // In fp32 whatever the storage and autocast: a small correction would be lost in bf16's 8 bits.
  const AutocastScope full_precision(weight.device().type(), at::kFloat);
  // If the original weight came from a file, the adapter's device may differ.
  const auto device = weight.device();
  return at::addmm(wide, lora_b.to(device, at::kFloat), lora_a.to(device, at::kFloat), 1.0, scale_);
}

void Linear::merge_adapter() {
  if (!has_adapter()) return;
  const bool wants_gradient = weight.requires_grad();
  weight = merged_weight();
  low_bit_.reset();
  weight.set_requires_grad(wants_gradient);
  unregister_parameter("lora_A.weight");
  unregister_parameter("lora_B.weight");
  lora_a = lora_b = at::Tensor();
  rank_ = 0;
}

void Linear::store_low_bit(LowBitType type, at::ScalarType saved) {
  TORCH_CHECK(!low_bit_ && !weight.requires_grad(),
              "Linear: a frozen matrix goes into few bits, once");
  low_bit_.emplace(weight, type);
  weight = nowhere(weight.sizes(), saved, weight.device());
}

void Linear::move_constants(at::Device device) {
  if (!low_bit_) return;
  low_bit_->to(device);
  // Moving it had allocated memory for it.
  weight = nowhere(weight.sizes(), weight.scalar_type(), device);
}

}  // namespace medseg
