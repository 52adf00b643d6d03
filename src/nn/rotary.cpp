#include "medseg/nn/rotary.h"

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor fused(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                 float direction) {
  const auto tokens = x.size(1), heads = x.size(2), half = x.size(3) / 2;
  auto y = at::empty_like(x);
  const float* c = cosine.const_data_ptr<float>();
  const float* s = sine.const_data_ptr<float>();
  const auto width = heads * 2 * half;  // all heads of a token are one row: they share its angles
  parallel_for(0, x.size(0) * tokens, rows::grain(width),
               [&](std::int64_t begin, std::int64_t end) {
                 rows::Reader in(x, width);
                 rows::Writer result(y, width);
                 for (auto i = begin; i < end; ++i) {
                   const auto angle = (i % tokens) * half;
                   const float* row = in.row(i);
                   float* out = result.row(i);
                   for (std::int64_t h = 0; h < heads; ++h) {
                     const auto head = h * 2 * half;
                     rows::rotate(row + head, c + angle, s + angle, direction, out + head, half);
                   }
                   result.store(i);
                 }
               });
  return y;
}

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return fused(x, cosine, sine, 1.0F);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {fused(gradients[0].contiguous(), saved[0], saved[1], -1.0F), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

RotaryTables::RotaryTables(std::int64_t positions, std::int64_t head_dim, double theta) {
  // In fp32 and in this order, as transformers computes them.
  const auto exponent = at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  const auto frequency = at::reciprocal(at::pow(at::Scalar(theta), exponent));
  const auto angle = at::outer(at::arange(positions, at::kFloat), frequency);
  cosine = angle.cos();
  sine = angle.sin();
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  TORCH_CHECK(x.dim() == 4 && x.size(3) % 2 == 0 && cosine.size(0) == x.size(1) &&
                  cosine.size(1) == x.size(3) / 2 && cosine.sizes() == sine.sizes(),
              "rotate: x ", x.sizes(), ", tables ", cosine.sizes(), " and ", sine.sizes());
  if (!rows::fusible(x)) {
    const auto c = cosine.unsqueeze(1), s = sine.unsqueeze(1);  // [T, 1, head_dim / 2]
    const auto halves = x.to(at::kFloat).chunk(2, -1);
    return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1)
        .to(x.scalar_type());
  }
  if (rows::needs_graph({x})) {
    return RotateFunction::apply(x.contiguous(), cosine.contiguous(), sine.contiguous());
  }
  return fused(x.contiguous(), cosine.contiguous(), sine.contiguous(), 1.0F);
}

}  // namespace medseg
