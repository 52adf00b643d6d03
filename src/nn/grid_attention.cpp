// S = q kᵀ / √d + bias, P = softmax(S), O = P v
//   dv = Pᵀ dO,  dP = dO vᵀ,  dS = P (dP − Σ_j P dP),  dq = dS k / √d,  dk = dSᵀ q / √d
//   d row_bias sums dS over the columns of the keys, d column_bias over their rows.
#include "medseg/nn/grid_attention.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kScoresAtOnce = std::int64_t{1} << 24;  // 64 MiB in fp32

/// Calls body(begin, count) for parts of N whose scores fit.
void in_pieces(const at::Tensor& q, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const auto count = q.size(0), cells = q.size(1);
  const auto step =
      std::max<std::int64_t>(1, kScoresAtOnce / std::max<std::int64_t>(1, cells * cells));
  for (std::int64_t begin = 0; begin < count; begin += step)
    body(begin, std::min(step, count - begin));
}

at::Tensor joined(const at::Tensor& row_bias, const at::Tensor& column_bias) {  // [n, h·w, h·w]
  return (row_bias.unsqueeze(-1) + column_bias.unsqueeze(-2)).flatten(2);
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& row_bias, const at::Tensor& column_bias) {
  auto out = at::empty(q.sizes(), q.options());
  in_pieces(q, [&](std::int64_t begin, std::int64_t count) {
    const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
    const auto bias = joined(part(row_bias), part(column_bias)).unsqueeze(0);
    part(out).copy_(at::scaled_dot_product_attention(part(q).unsqueeze(0), part(k).unsqueeze(0),
                                                     part(v).unsqueeze(0), bias)
                        .squeeze(0));
  });
  return out;
}

class GridAttentionFunction : public torch::autograd::Function<GridAttentionFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& row_bias,
                            const at::Tensor& column_bias) {
    context->save_for_backward({q, k, v, row_bias, column_bias});
    return attend(q, k, v, row_bias, column_bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &rows = saved[3], &columns = saved[4];
    const auto dout = gradients[0].to(q.scalar_type());
    auto dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    auto drows = at::empty_like(rows), dcolumns = at::empty_like(columns);
    const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(2)));
    in_pieces(q, [&](std::int64_t begin, std::int64_t count) {
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
      const auto scores = at::baddbmm(joined(part(rows), part(columns)), part(q),
                                      part(k).transpose(1, 2), 1.0, scale);
      const auto p = at::softmax(scores.to(at::kFloat), -1);
      const auto weights = p.to(q.scalar_type());
      part(dv).copy_(at::bmm(weights.transpose(1, 2), part(dout)));
      const auto dp = at::bmm(part(dout), part(v).transpose(1, 2)).to(at::kFloat);
      const auto ds = p * (dp - (p * dp).sum(-1, /*keepdim=*/true));
      const auto by_place = ds.view({count, q.size(1), rows.size(2), columns.size(2)});
      part(drows).copy_(by_place.sum(-1));
      part(dcolumns).copy_(by_place.sum(-2));
      const auto slope = ds.to(q.scalar_type());
      part(dq).copy_(at::bmm(slope, part(k)).mul_(scale));
      part(dk).copy_(at::bmm(slope.transpose(1, 2), part(q)).mul_(scale));
    });
    return {dq, dk, dv, drows, dcolumns};
  }
};

}  // namespace

at::Tensor grid_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& row_bias, const at::Tensor& column_bias) {
  TORCH_CHECK(q.dim() == 3 && k.sizes() == q.sizes() && v.sizes() == q.sizes() &&
                  row_bias.dim() == 3 && column_bias.dim() == 3 && row_bias.size(0) == q.size(0) &&
                  row_bias.size(1) == q.size(1) && column_bias.size(0) == q.size(0) &&
                  column_bias.size(1) == q.size(1) &&
                  row_bias.size(2) * column_bias.size(2) == q.size(1),
              "grid_attention: q ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes(),
              ", biases of rows ", row_bias.sizes(), " and columns ", column_bias.sizes());
  const bool learns =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad() ||
                                     row_bias.requires_grad() || column_bias.requires_grad());
  if (learns) return GridAttentionFunction::apply(q, k, v, row_bias, column_bias);
  return attend(q, k, v, row_bias, column_bias);
}

}  // namespace medseg
