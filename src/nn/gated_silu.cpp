#include "medseg/nn/gated_silu.h"

#include <torch/csrc/autograd/custom_function.h>

#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::int64_t row_count(const at::Tensor& x) {
  return x.numel() / std::max<std::int64_t>(x.size(-1), 1);
}

at::Tensor fused(const at::Tensor& gate, const at::Tensor& up) {
  auto y = at::empty_like(gate);
  const auto width = gate.size(-1);
  parallel_for(0, row_count(gate), rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
    rows::Reader g(gate, width), u(up, width);
    rows::Writer result(y, width);
    for (auto i = begin; i < end; ++i) {
      rows::gated_silu(g.row(i), u.row(i), result.row(i), width);
      result.store(i);
    }
  });
  return y;
}

class GatedSiluFunction : public torch::autograd::Function<GatedSiluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return fused(gate, up);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1];
    const auto dy = gradients[0].to(gate.scalar_type()).contiguous();
    auto dgate = at::empty_like(gate), dup = at::empty_like(up);
    const auto width = gate.size(-1);
    parallel_for(0, row_count(gate), rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
      rows::Reader g(gate, width), u(up, width), upstream(dy, width);
      rows::Writer dg(dgate, width), du(dup, width);
      for (auto i = begin; i < end; ++i) {
        rows::gated_silu_backward(g.row(i), u.row(i), upstream.row(i), dg.row(i), du.row(i), width);
        dg.store(i);
        du.store(i);
      }
    });
    return {dgate, dup};
  }
};

}  // namespace

at::Tensor gated_silu(const at::Tensor& gate, const at::Tensor& up) {
  TORCH_CHECK(gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type(),
              "gated_silu: gate ", gate.sizes(), " ", gate.scalar_type(), ", up ", up.sizes(), " ",
              up.scalar_type());
  if (!rows::fusible(gate)) return at::silu(gate) * up;
  if (rows::needs_graph({gate, up})) {
    return GatedSiluFunction::apply(gate.contiguous(), up.contiguous());
  }
  return fused(gate.contiguous(), up.contiguous());
}

void gated_silu_row(const float* gate, const float* up, float* y, std::int64_t width) {
  rows::gated_silu(gate, up, y, width);
}

}  // namespace medseg
