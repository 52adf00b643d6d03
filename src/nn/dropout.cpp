#include "medseg/nn/dropout.h"

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor fused(const at::Tensor& x, double p, std::int64_t seed) {
  auto y = at::empty_like(x);
  const auto width = x.size(-1), count = x.numel() / std::max<std::int64_t>(width, 1);
  const auto threshold = static_cast<std::uint32_t>(p * 4294967296.0);
  const auto scale = static_cast<float>(1.0 / (1.0 - p));
  parallel_for(0, count, rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
    rows::Reader in(x, width);
    rows::Writer result(y, width);
    for (auto i = begin; i < end; ++i) {
      // splitmix64's increment and first round make the keys of neighbouring rows independent
      auto key =
          static_cast<std::uint64_t>(seed) + static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15U;
      key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9U;
      rows::drop(in.row(i), static_cast<std::uint32_t>(key >> 32), threshold, scale, result.row(i),
                 width);
      result.store(i);
    }
  });
  return y;
}

class DropoutFunction : public torch::autograd::Function<DropoutFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double p,
                            std::int64_t seed) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    return fused(x, p, seed);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {fused(gradients[0].contiguous(), context->saved_data["p"].toDouble(),
                  context->saved_data["seed"].toInt()),
            at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p) {
  TORCH_CHECK(p >= 0 && p < 1, "dropout: p is ", p);
  if (p == 0) return x;
  if (!rows::fusible(x)) return at::dropout(x, p, true);
  const auto seed = at::randint(std::int64_t{1} << 62, {1}, at::kLong).item<std::int64_t>();
  if (rows::needs_graph({x})) return DropoutFunction::apply(x.contiguous(), p, seed);
  return fused(x.contiguous(), p, seed);
}

}  // namespace medseg
