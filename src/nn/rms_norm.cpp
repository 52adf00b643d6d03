// y = x · r · w with r = 1 / sqrt(mean(x²) + eps), over the last axis.
//   dx = r (w dy − x r² mean(w dy x)),  dw = Σ dy x r
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/norm.h"
#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Normed {
  at::Tensor y;           // shape and dtype of x
  at::Tensor reciprocal;  // r of every row, fp32
};

Normed fused(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto width = x.size(-1), count = x.numel() / std::max<std::int64_t>(width, 1);
  Normed out{at::empty_like(x), at::empty({count}, at::kFloat)};
  const float* w = weight.const_data_ptr<float>();
  float* r = out.reciprocal.mutable_data_ptr<float>();
  parallel_for(0, count, rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
    rows::Reader in(x, width);
    rows::Writer result(out.y, width);
    for (auto i = begin; i < end; ++i) {
      const float* row = in.row(i);
      const double mean = rows::dot(row, row, width) / static_cast<double>(width);
      r[i] = static_cast<float>(1.0 / std::sqrt(mean + eps));
      rows::rms_forward(row, w, r[i], result.row(i), width);
      result.store(i);
    }
  });
  return out;
}

class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    auto normed = fused(x, weight, eps);
    context->save_for_backward({x, weight, normed.reciprocal});
    return normed.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &reciprocal = saved[2];
    const auto dy = gradients[0].to(x.scalar_type()).contiguous();
    const auto width = x.size(-1), count = reciprocal.numel();
    const float* r = reciprocal.const_data_ptr<float>();
    const float* w = weight.const_data_ptr<float>();
    at::Tensor dx, dw;
    if (context->needs_input_grad(0)) {
      dx = at::empty_like(x);
      parallel_for(0, count, rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
        rows::Reader in(x, width), upstream(dy, width);
        rows::Writer result(dx, width);
        std::vector<float> weighted(static_cast<std::size_t>(width));
        for (auto i = begin; i < end; ++i) {
          const float* row = in.row(i);
          const float* up = upstream.row(i);
          rows::rms_forward(up, w, 1.0F, weighted.data(), width);  // w · dy
          const float mean = rows::dot(weighted.data(), row, width) / static_cast<float>(width);
          rows::rms_backward(row, w, up, r[i], r[i] * r[i] * mean, result.row(i), width);
          result.store(i);
        }
      });
    }
    if (context->needs_input_grad(1)) {
      const auto flat = x.reshape({-1, width}).to(at::kFloat) * reciprocal.unsqueeze(1);
      dw = (flat * dy.reshape({-1, width}).to(at::kFloat)).sum(0);
    }
    return {dx, dw, at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (!rows::fusible(x) || weight.scalar_type() != at::kFloat) {
    const auto wide = x.to(at::kFloat);
    const auto normed = wide * at::rsqrt(wide.square().mean(-1, true) + eps);
    return (normed * weight.to(at::kFloat)).to(x.scalar_type());
  }
  if (rows::needs_graph({x, weight})) return RmsNormFunction::apply(x.contiguous(), weight, eps);
  return fused(x.contiguous(), weight, eps).y;
}

}  // namespace medseg
