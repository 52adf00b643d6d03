// S = q kᵀ, P = softmax(S / √d) up to the diagonal, O = P v
//   dv = Pᵀ dO,  dP = dO vᵀ,  dS = P (dP − Σ_j P dP) / √d,  dq = dS k,  dk = dSᵀ q
// S and P are computed again in backward instead of being kept: they are a layer's largest tensors.
#include "medseg/nn/attention.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Numbers of S that backward holds at a time; the three tensors of its shape have the same size.
constexpr std::int64_t kScoresAtOnce = std::int64_t{1} << 22;

/// Which tokens see which in a sequence.
struct Sight {
  /// Itself and so many − 1 before it; more than there are: all before it.
  std::int64_t window = 0;
  std::optional<at::Tensor> mask;  ///< the same, where a window hides something: at least [T, T]
};

// torch applies both mask and is_causal, so only one is given.
at::Tensor torchs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const Sight& sight) {
  const auto T = q.size(2);
  std::optional<at::Tensor> mask;
  if (sight.mask && sight.window < T) mask = sight.mask->slice(0, 0, T).slice(1, 0, T);
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, /*is_causal=*/!mask && T > 1,
                                          std::nullopt, /*enable_gqa=*/true);
}

at::Tensor torchs_of_each(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const Sight& sight, c10::IntArrayRef lengths) {
  if (lengths.size() < 2) return torchs(q, k, v, sight);
  const auto qs = q.split_with_sizes(lengths, 2), ks = k.split_with_sizes(lengths, 2),
             vs = v.split_with_sizes(lengths, 2);
  std::vector<at::Tensor> parts;  // [B, length, H, d], as the kernel leaves them in memory
  for (std::size_t i = 0; i < lengths.size(); ++i)
    parts.push_back(torchs(qs[i], ks[i], vs[i], sight).transpose(1, 2));
  return at::cat(parts, 1).transpose(1, 2);
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
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Sight& sight, c10::IntArrayRef lengths) {
    context->save_for_backward({q, k, v});
    context->saved_data["window"] = sight.window;
    context->saved_data["lengths"] = lengths.vec();
    return torchs_of_each(q, k, v, sight, lengths);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto window = context->saved_data["window"].toInt();
    const auto lengths = context->saved_data["lengths"].toIntVector();
    if (lengths.size() < 2) {
      const auto [dq, dk, dv] = of_sequence(saved[0], saved[1], saved[2], gradients[0], window);
      return {dq, dk, dv, at::Tensor(), at::Tensor()};
    }
    variable_list whole;
    for (const auto& input : saved) whole.push_back(at::empty(input.sizes(), input.options()));
    std::int64_t begin = 0;
    for (const auto length : lengths) {
      const auto part = [&](const at::Tensor& x) { return x.narrow(2, begin, length); };
      const auto [dq, dk, dv] =
          of_sequence(part(saved[0]), part(saved[1]), part(saved[2]), part(gradients[0]), window);
      part(whole[0]).copy_(dq);
      part(whole[1]).copy_(dk);
      part(whole[2]).copy_(dv);
      begin += length;
    }
    return {whole[0], whole[1], whole[2], at::Tensor(), at::Tensor()};
  }

 private:
  static std::tuple<at::Tensor, at::Tensor, at::Tensor> of_sequence(const at::Tensor& queries,
                                                                    const at::Tensor& keys,
                                                                    const at::Tensor& values,
                                                                    const at::Tensor& upstream,
                                                                    std::int64_t window) {
    const auto T = queries.size(2), width = queries.size(3);
    // One matrix per group: [B · H/g, g·T, d] by [B · H/g, T, d].
    const auto groups = keys.size(0) * keys.size(1);
    const auto q = queries.contiguous().view({groups, -1, width});
    const auto k = keys.contiguous().view({groups, T, width});
    const auto v = values.contiguous().view({groups, T, width});
    const auto dout = upstream.to(q.scalar_type()).contiguous().view({groups, -1, width});
    auto dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
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
    return {dq.view(queries.sizes()), dk.view(keys.sizes()), dv.view(values.sizes())};
  }
};

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const Sight& sight, c10::IntArrayRef lengths) {
  TORCH_CHECK(q.dim() == 4 && k.sizes() == v.sizes() && q.size(2) == k.size(2) &&
                  q.size(1) % k.size(1) == 0,
              "causal_attention: q ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes());
  if (rows::fusible(q) && rows::needs_graph({q, k, v})) {
    return AttentionFunction::apply(q, k, v, sight, lengths);
  }
  return torchs_of_each(q, k, v, sight, lengths);
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            c10::IntArrayRef lengths) {
  return attention(q, k, v, {.window = q.size(2), .mask = std::nullopt}, lengths);
}

at::Tensor causal_mask(std::int64_t rows, std::int64_t past, std::int64_t window,
                       at::Device device) {
  auto mask = at::ones({rows, past + rows}, at::TensorOptions(at::kBool).device(device)).tril(past);
  return window > 0 ? mask.triu(past - window + 1) : mask;
}

at::Tensor windowed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              std::int64_t window, const at::Tensor& mask,
                              c10::IntArrayRef lengths) {
  return attention(q, k, v, {.window = window, .mask = mask}, lengths);
}

}  // namespace medseg
