#include "medseg/training/further_losses.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "medseg/image/distance.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const char* what, const at::Tensor& logits, const at::Tensor& map) {
  TORCH_CHECK(logits.sizes() == map.sizes() && logits.dim() == 3, what, ": logits ", logits.sizes(),
              ", map ", map.sizes());
  TORCH_CHECK(logits.scalar_type() == at::kFloat && map.scalar_type() == at::kFloat, what,
              ": expects float32");
}

/// The gradient `upstream` [K] of means over the pixels of `map` [K, H, W], for each pixel.
at::Tensor per_pixel(const at::Tensor& upstream, const at::Tensor& map) {
  return (upstream / static_cast<double>(map.size(1) * map.size(2))).view({-1, 1, 1});
}

class FocalFunction : public torch::autograd::Function<FocalFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& truth, double gamma, double alpha) {
    context->save_for_backward({logits, truth});
    context->saved_data["gamma"] = gamma;
    context->saved_data["alpha"] = alpha;
    const auto z = logits * signs(truth);
    auto loss = at::softplus(-z).mul_(at::sigmoid(-z).pow_(gamma));  // -log p_y, 1 - p_y
    if (alpha >= 0) loss.mul_(weights(truth, alpha));
    return loss.flatten(1).mean(1);
  }

  // d/dz of (1 - p)^γ (-log p) is (1 - p)^γ (γ p log p - (1 - p)), for p' = p (1 - p); z = y x.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &logits = saved[0], &truth = saved[1];
    const double gamma = context->saved_data["gamma"].toDouble();
    const double alpha = context->saved_data["alpha"].toDouble();
    const auto y = signs(truth), z = logits * y;
    const auto missing = at::sigmoid(-z);  // 1 - p
    auto gradient = at::sigmoid(z).mul_(at::softplus(-z)).mul_(-gamma).sub_(missing);
    gradient.mul_(missing.pow(gamma)).mul_(y);
    if (alpha >= 0) gradient.mul_(weights(truth, alpha));
    gradient.mul_(per_pixel(gradients[0], truth));
    return {gradient, at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  static at::Tensor signs(const at::Tensor& truth) { return truth * 2.0 - 1.0; }
  static at::Tensor weights(const at::Tensor& truth, double alpha) {
    return truth * (2.0 * alpha - 1.0) + (1.0 - alpha);
  }
};

class BoundaryFunction : public torch::autograd::Function<BoundaryFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& distances) {
    context->save_for_backward({logits, distances});
    return at::sigmoid(logits).mul_(distances).flatten(1).mean(1);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto p = at::sigmoid(saved[0]);
    auto gradient = (1.0 - p).mul_(p).mul_(saved[1]).mul_(per_pixel(gradients[0], p));
    return {gradient, at::Tensor()};
  }
};

}  // namespace

at::Tensor focal_loss(const at::Tensor& logits, const at::Tensor& truth, double gamma,
                      double alpha) {
  check("focal_loss", logits, truth);
  return FocalFunction::apply(logits, truth, gamma, alpha);
}

at::Tensor boundary_loss(const at::Tensor& logits, const at::Tensor& distances) {
  check("boundary_loss", logits, distances);
  return BoundaryFunction::apply(logits, distances);
}

at::Tensor boundary_distances(const at::Tensor& truth) {
  TORCH_CHECK(truth.dim() == 3, "boundary_distances: expects [K, H, W], got ", truth.sizes());
  const auto masks = truth.to(at::kCPU, at::kByte).contiguous();
  auto distances = at::empty(masks.sizes(), at::kFloat);
  Mask mask(static_cast<int>(masks.size(2)), static_cast<int>(masks.size(1)));
  const auto pixels = static_cast<std::int64_t>(mask.pixels.size());
  for (std::int64_t k = 0; k < masks.size(0); ++k) {
    const auto* from = masks.const_data_ptr<std::uint8_t>() + k * pixels;
    std::copy(from, from + pixels, mask.pixels.begin());
    const auto values = signed_distances(mask);
    std::copy(values.begin(), values.end(), distances.mutable_data_ptr<float>() + k * pixels);
  }
  return distances.to(truth.device());
}

}  // namespace medseg
