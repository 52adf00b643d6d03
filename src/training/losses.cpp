#include "medseg/training/losses.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/training/further_losses.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kScale = 1000.0;  // keeps sums over many pixels in range, as LISA does
constexpr double kDiceEps = 1e-6;
constexpr double kCountEps = 1e-8;

class MaskLossFunction : public torch::autograd::Function<MaskLossFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& logits,
                               const at::Tensor& truth) {
    const auto x = logits.flatten(1), t = truth.flatten(1);
    const auto p = at::sigmoid(x);
    const auto inside = (x * t).sum(1);
    const auto bce = (at::softplus(x).sum(1) - inside) / x.size(1);
    const auto numerator = (p * t).sum(1) * (2.0 / kScale) + kDiceEps;
    const auto denominator = (p.sum(1) + t.sum(1)) / kScale + kDiceEps;
    context->save_for_backward({p, t, numerator, denominator});
    context->saved_data["shape"] = logits.sizes().vec();
    return {bce, 1.0 - numerator / denominator};
  }

  // d BCE/dx = (p - t) / pixels;  d Dice/dp = (numerator - 2 t denominator) / (1000 denominator²);
  // dp/dx = p (1 - p).
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &p = saved[0], &t = saved[1], &numerator = saved[2], &denominator = saved[3];
    const auto per_mask = [](const at::Tensor& value) { return value.unsqueeze(1); };
    const auto from_dice = gradients[1] / (kScale * denominator * denominator);
    auto gradient =
        at::addcmul(per_mask(from_dice * numerator), t, per_mask(from_dice * denominator), -2.0);
    gradient.mul_(p).mul_(1.0 - p);
    gradient.addcmul_(p - t, per_mask(gradients[0]), 1.0 / static_cast<double>(p.size(1)));
    return {gradient.view(context->saved_data["shape"].toIntVector()), at::Tensor()};
  }
};

bool same_frame(const ModelFrame& a, const ModelFrame& b) {
  return a.size == b.size && a.resized_height == b.resized_height &&
         a.resized_width == b.resized_width && a.image_height == b.image_height &&
         a.image_width == b.image_width;
}

/// Masks of images that have the same frame.
struct FrameGroup {
  std::vector<at::Tensor> logits, masks;
  std::vector<at::Tensor> distances;  ///< only for the boundary loss
  std::vector<double> weights;        ///< of each mask in the loss of the batch
};

void add_to_group(const MaskTruth& truth, const at::Tensor& logits, std::int64_t all_masks,
                  const LossOptions& options, FrameGroup& group) {
  group.logits.push_back(logits);
  group.masks.push_back(truth.masks);
  if (options.boundary > 0) {
    const auto& known = truth.distances;
    group.distances.push_back(known.defined() ? known : boundary_distances(truth.masks));
  }
  const auto n = static_cast<double>(truth.masks.size(0));
  const double weight = n / (n + kCountEps) / (static_cast<double>(all_masks) + kCountEps);
  group.weights.insert(group.weights.end(), static_cast<std::size_t>(truth.masks.size(0)), weight);
}

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

void add_losses(const FrameGroup& group, const ModelFrame& frame, const LossOptions& options,
                BatchMaskLosses& total) {
  const auto in_pixels = upscale_masks(joined(group.logits), frame);
  const auto truth = joined(group.masks);
  const auto [bce, dice] = mask_losses(in_pixels, truth);
  const auto weight = at::tensor(group.weights, bce.options());
  const auto add = [&](at::Tensor& sum, const at::Tensor& loss) {
    sum = sum + (loss * weight).sum();
  };
  add(total.bce, bce);
  add(total.dice, dice);
  if (options.focal > 0)
    add(total.focal, focal_loss(in_pixels, truth, options.focal_gamma, options.focal_alpha));
  if (options.boundary > 0) add(total.boundary, boundary_loss(in_pixels, at::cat(group.distances)));
}

}  // namespace

std::pair<at::Tensor, at::Tensor> mask_losses(const at::Tensor& logits, const at::Tensor& truth) {
  TORCH_CHECK(logits.sizes() == truth.sizes() && logits.dim() == 3, "mask_losses: logits ",
              logits.sizes(), ", truth ", truth.sizes());
  TORCH_CHECK(logits.scalar_type() == at::kFloat && truth.scalar_type() == at::kFloat,
              "mask_losses: expects float32");
  auto losses = MaskLossFunction::apply(logits, truth);
  return {losses[0], losses[1]};
}

BatchMaskLosses batch_mask_losses(const at::Tensor& mask_logits,
                                  const std::vector<MaskTruth>& truths,
                                  const LossOptions& options) {
  std::vector<std::int64_t> first = {0};  // mask of each image, in mask_logits
  for (const auto& truth : truths) first.push_back(first.back() + truth.masks.size(0));
  const auto count = first.back();
  MEDSEG_CHECK(mask_logits.size(0) == count,
               str_cat("masks: ", mask_logits.size(0), " decoded, ", count, " true"));
  const auto zero = [&] { return at::zeros({}, mask_logits.options().dtype(at::kFloat)); };
  BatchMaskLosses total{zero(), zero()};
  if (options.focal > 0) total.focal = zero();
  if (options.boundary > 0) total.boundary = zero();
  std::vector<bool> done(truths.size(), false);
  for (std::size_t i = 0; i < truths.size(); ++i) {
    if (done[i]) continue;
    FrameGroup group;
    for (std::size_t j = i; j < truths.size(); ++j) {
      if (done[j] || !same_frame(truths[i].frame, truths[j].frame)) continue;
      done[j] = true;
      if (truths[j].masks.size(0) == 0) continue;
      add_to_group(truths[j], mask_logits.slice(0, first[j], first[j + 1]), count, options, group);
    }
    if (!group.logits.empty()) add_losses(group, truths[i].frame, options, total);
  }
  return total;
}

at::Tensor with_further_losses(const at::Tensor& total, const BatchMaskLosses& losses,
                               const LossOptions& options) {
  auto sum = total;
  if (losses.focal.defined()) sum = sum + losses.focal * options.focal;
  if (losses.boundary.defined()) sum = sum + losses.boundary * options.boundary;
  return sum;
}

void add_distances(std::vector<MaskTruth>& truths) {
  for (auto& truth : truths) truth.distances = boundary_distances(truth.masks);
}

}  // namespace medseg
