// loss = mean_i (log Σ_j e^(x_ij − m_i) + m_i − Σ_j q_ij x_ij),  d loss / d x_ij = (softmax(x_i)_j
// − q_ij) / n with q_ij = (1 − e) [j = label] + e / V.
#include "medseg/nn/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Loss of every row [n]. `gradient`, if defined, receives the gradient of their mean.
at::Tensor losses_of(const at::Tensor& logits, const at::Tensor& labels, double smoothing,
                     const at::Tensor& gradient) {
  const auto count = logits.size(0), width = logits.size(1);
  auto losses = at::empty({count}, at::kFloat);
  float* loss = losses.mutable_data_ptr<float>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  const auto share = 1.0F / static_cast<float>(count);
  const auto kept = static_cast<float>(1.0 - smoothing);
  const auto spread = static_cast<float>(smoothing / static_cast<double>(width));  // to each
  parallel_for(0, count, rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
    rows::Reader in(logits, width);
    std::optional<rows::Writer> out;
    if (gradient.defined()) out.emplace(gradient, width);
    std::vector<float> scratch(gradient.defined() ? 0U : static_cast<std::size_t>(width));
    for (auto i = begin; i < end; ++i) {
      const float* row = in.row(i);
      float* softmax = out ? out->row(i) : scratch.data();
      loss[i] = rows::log_sum_of_exponentials(row, softmax, width) - kept * row[label[i]];
      if (smoothing > 0)
        loss[i] -= spread * static_cast<float>(std::accumulate(row, row + width, 0.0));
      if (!out) continue;
      rows::scale(softmax, share, width);
      softmax[label[i]] -= kept * share;
      if (smoothing > 0)
        std::for_each(softmax, softmax + width, [&](float& x) { x -= spread * share; });
      out->store(i);
    }
  });
  return losses;
}

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& labels, double smoothing) {
    const auto gradient = at::empty_like(logits);
    context->save_for_backward({gradient});
    return losses_of(logits, labels, smoothing, gradient).mean();
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto gradient = context->get_saved_variables()[0];
    return {gradient * gradients[0].to(gradient.scalar_type()), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, double smoothing) {
  TORCH_CHECK(logits.dim() == 2 && labels.dim() == 1 && labels.scalar_type() == at::kLong &&
                  labels.size(0) == logits.size(0) && logits.size(0) > 0,
              "cross_entropy: logits ", logits.sizes(), ", labels ", labels.sizes());
  TORCH_CHECK((labels >= 0).logical_and(labels < logits.size(1)).all().item<bool>(),
              "cross_entropy: a label outside 0 … ", logits.size(1) - 1);
  if (!rows::fusible(logits)) {
    return at::cross_entropy_loss(logits.to(at::kFloat), labels, {}, at::Reduction::Mean, -100,
                                  smoothing);
  }
  if (rows::needs_graph({logits}))
    return CrossEntropyFunction::apply(logits.contiguous(), labels.contiguous(), smoothing);
  return losses_of(logits.contiguous(), labels.contiguous(), smoothing, {}).mean();
}

}  // namespace medseg
