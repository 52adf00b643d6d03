// S = q kᵀ, P = softmax(S / √d) up to the diagonal, O = P v
//   dv = Pᵀ dO,  dP = dO vᵀ,  dS = P (dP − Σ_j P dP) / √d,  dq = dS k,  dk = dSᵀ q
// S and P are computed again in backward rather than kept: they are larger than all else of a layer.
#include "medseg/nn/attention.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kScoresAtOnce = std::int64_t{1}
                                       << 22;  // what backward holds of S, as of the three like it

// torch applies mask and is_causal both: only one is given.
at::Tensor torchs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const std::optional<at::Tensor>& mask) {
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0,
                                          /*is_causal=*/!mask && q.size(2) > 1, std::nullopt,
                                          /*enable_gqa=*/true);
}

/// In place: scores S [n, g·T, T] become P, and their upstream gradient dP becomes dS.
void through_softmax(const at::Tensor& scores, const at::Tensor& upstream, float scale,
                     std::int64_t window) {
  const auto T = scores.size(2);
  parallel_for(0, scores.size(0) * scores.size(1), rows::grain(T),
               [&](std::int64_t begin, std::int64_t end) {
                 rows::Writer s(scores, T), dp(upstream, T);
                 for (auto i = begin; i < end; ++i) {
                   const auto last = i % T + 1;  // row t of a head sees keys up to its own, t
                   const auto first = std::max<std::int64_t>(0, last - window);
                   float* row = s.loaded(i, last);
                   float* up = dp.loaded(i, last);
                   rows::softmax_backward(row + first, up + first, scale, last - first);
                   for (float* values : {row, up}) {
                     std::fill(values, values + first, 0.0F);
                     std::fill(values + last, values + T, 0.0F);
                   }
                   s.store(i);
                   dp.store(i);
                 }
               });
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  /// `window` >= T: causal alone, without a mask.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, std::int64_t window,
                            const std::optional<at::Tensor>& mask) {
    context->save_for_backward({q, k, v});
    context->saved_data["window"] = window;
    return torchs(q, k, v, mask);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto T = saved[0].size(2), width = saved[0].size(3);
    // One matrix a group: [B · H/g, g·T, d] against [B · H/g, T, d].
    const auto groups = saved[1].size(0) * saved[1].size(1);
    const auto q = saved[0].contiguous().view({groups, -1, width});
    const auto k = saved[1].contiguous().view({groups, T, width});
    const auto v = saved[2].contiguous().view({groups, T, width});
    const auto dout = gradients[0].to(q.scalar_type()).contiguous().view({groups, -1, width});
    auto dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
    const auto window = context->saved_data["window"].toInt();
    const auto step = std::max<std::int64_t>(1, kScoresAtOnce / (q.size(1) * T));
    for (std::int64_t begin = 0; begin < groups; begin += step) {
      const auto part = [&](const at::Tensor& x) {
        return x.narrow(0, begin, std::min(step, groups - begin));
      };
      const auto p = at::bmm(part(q), part(k).transpose(1, 2));
      const auto ds = at::bmm(part(dout), part(v).transpose(1, 2));
      through_softmax(p, ds, scale, window);
      auto dq_part = part(dq), dk_part = part(dk), dv_part = part(dv);
      at::bmm_out(dv_part, p.transpose(1, 2), part(dout));
      at::bmm_out(dq_part, ds, part(k));
      at::bmm_out(dk_part, ds.transpose(1, 2), part(q));
    }
    return {dq.view(saved[0].sizes()), dk.view(saved[1].sizes()), dv.view(saved[2].sizes()),
            at::Tensor(), at::Tensor()};
  }
};

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     std::int64_t window, const std::optional<at::Tensor>& mask) {
  TORCH_CHECK(q.dim() == 4 && k.sizes() == v.sizes() && q.size(2) == k.size(2) &&
                  q.size(1) % k.size(1) == 0,
              "causal_attention: q ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes());
  if (rows::fusible(q) && rows::needs_graph({q, k, v})) {
    return AttentionFunction::apply(q, k, v, window, mask);
  }
  return torchs(q, k, v, mask);
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return attention(q, k, v, q.size(2), std::nullopt);
}

at::Tensor causal_mask(std::int64_t rows, std::int64_t past, std::int64_t window,
                       at::Device device) {
  auto mask = at::ones({rows, past + rows}, at::TensorOptions(at::kBool).device(device)).tril(past);
  return window > 0 ? mask.triu(past - window + 1) : mask;
}

at::Tensor windowed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              std::int64_t window, const at::Tensor& mask) {
  return attention(q, k, v, window, mask);
}

}  // namespace medseg
