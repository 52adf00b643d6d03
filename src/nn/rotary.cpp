#include "medseg/nn/rotary.h"

#include <numbers>

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Turns by direction · angle and moves the heads axis: `x` is [B, T, heads, 2·half] if
/// `heads_behind`, else [B, heads, T, 2·half]; the result has the other order.
at::Tensor fused(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                 float direction, bool heads_behind) {
  const auto tokens = cosine.size(0), half = cosine.size(1);
  const auto heads = heads_behind ? x.size(2) : x.size(1);
  auto y = at::empty({x.size(0), x.size(2), x.size(1), x.size(3)}, x.options());
  const float* c = cosine.const_data_ptr<float>();
  const float* s = sine.const_data_ptr<float>();
  parallel_for(0, x.size(0) * tokens * heads, rows::grain(2 * half),
               [&](std::int64_t begin, std::int64_t end) {
                 rows::Reader in(x, 2 * half);
                 rows::Writer result(y, 2 * half);
                 for (auto i = begin; i < end; ++i) {
                   const auto batch = i / (tokens * heads), rest = i % (tokens * heads);
                   const auto token = heads_behind ? rest / heads : rest % tokens;
                   const auto head = heads_behind ? rest % heads : rest / tokens;
                   const auto target =
                       batch * tokens * heads +
                       (heads_behind ? head * tokens + token : token * heads + head);
                   rows::rotate(in.row(i), c + token * half, s + token * half, direction,
                                result.row(target), half);
                   result.store(target);
                 }
               });
  return y;
}

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return fused(x, cosine, sine, 1.0F, true);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {fused(gradients[0].contiguous(), saved[0], saved[1], -1.0F, false), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

// All in fp32 and in this order, as in transformers.
at::Tensor rotary_frequencies(std::int64_t head_dim, double theta) {
  const auto exponent = at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  return at::reciprocal(at::pow(at::Scalar(theta), exponent));
}

at::Tensor llama3_scaled(const at::Tensor& frequencies, const Llama3Scaling& scaling) {
  const auto original = static_cast<double>(scaling.original_positions);
  const auto wavelength = frequencies.reciprocal() * (2.0 * std::numbers::pi);
  const auto is_long = wavelength > original / scaling.low;
  const auto is_short = wavelength < original / scaling.high;
  const auto smooth =
      (wavelength.reciprocal() * original - scaling.low) / (scaling.high - scaling.low);
  const auto between = (1.0 - smooth) * frequencies / scaling.factor + smooth * frequencies;
  return at::where(is_long, frequencies / scaling.factor,
                   at::where(is_short, frequencies, between));
}

RotaryTables::RotaryTables(std::int64_t positions, const at::Tensor& frequencies) {
  const auto angle = at::outer(at::arange(positions, at::kFloat), frequencies);
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
        .to(x.scalar_type())
        .transpose(1, 2)
        .contiguous();
  }
  if (rows::needs_graph({x})) {
    return RotateFunction::apply(x.contiguous(), cosine.contiguous(), sine.contiguous());
  }
  return fused(x.contiguous(), cosine.contiguous(), sine.contiguous(), 1.0F, true);
}

}  // namespace medseg
