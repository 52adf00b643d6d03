#include "medseg/nn/map_ops.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "map_kernels.h"
#include "medseg/nn/parallel.h"
#include "medseg/nn/pixelwise.h"
#include "simd.h"

namespace medseg {
namespace {

using c10::BFloat16;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Pieces of a map; fixed, so that sums do not depend on the number of threads.
constexpr std::int64_t kPieces = 16;

bool is_fused(const at::Tensor& x) {
  const auto channels = x.size(-1);
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && channels % simd::kLanes == 0 &&
         channels <= maps::kMostChannels;
}

const BFloat16* read(const at::Tensor& x) { return x.const_data_ptr<BFloat16>(); }
BFloat16* write(at::Tensor& x) { return x.mutable_data_ptr<BFloat16>(); }

/// [..., C] in PerChannel's order -> in normal order.
at::Tensor joined(const at::Tensor& parted) {
  return parted.reshape({-1, parted.size(-1) / simd::kLanes, 2, simd::kLanes / 2})
      .transpose(2, 3)
      .reshape(parted.sizes());
}

maps::NormRows norm_rows(const PerChannel& parameters, bool with_offset, double eps) {
  const float* first = parameters.data();
  const auto stride = parameters.stride();
  return {with_offset ? first + 2 * stride : nullptr, first, first + stride,
          static_cast<float>(eps), parameters.channels()};
}

/// Calls body(piece, first row, rows) for `rows` rows in kPieces pieces.
template <class Body>
void in_pieces(std::int64_t rows, const Body& body) {
  parallel_for(0, kPieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const auto first = rows * piece / kPieces;
      body(piece, first, rows * (piece + 1) / kPieces - first);
    }
  });
}

class NormGelu : public torch::autograd::Function<NormGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& map,
                            const at::Tensor& offset, const at::Tensor& weight,
                            const at::Tensor& bias, double eps) {
    const auto x = map.contiguous();
    const PerChannel parameters(
        at::stack({weight.to(at::kFloat), bias.to(at::kFloat), offset.to(at::kFloat)}));
    const auto norm = norm_rows(parameters, true, eps);
    auto y = at::empty_like(x);
    in_pieces(x.numel() / norm.channels, [&](std::int64_t, std::int64_t first, std::int64_t rows) {
      maps::norm_gelu(norm, read(x) + first * norm.channels, write(y) + first * norm.channels,
                      rows);
    });
    context->save_for_backward({x, offset, weight, bias});
    context->saved_data["eps"] = eps;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &offset = saved[1], &weight = saved[2], &bias = saved[3];
    const PerChannel parameters(
        at::stack({weight.to(at::kFloat), bias.to(at::kFloat), offset.to(at::kFloat)}));
    const auto norm = norm_rows(parameters, true, context->saved_data["eps"].toDouble());
    const auto dy = gradients[0].to(at::kBFloat16).contiguous();
    auto dx = at::empty_like(x);
    auto sums = at::zeros({kPieces, 3, norm.channels});
    in_pieces(x.numel() / norm.channels, [&](std::int64_t piece, std::int64_t first,
                                             std::int64_t rows) {
      const auto at = first * norm.channels;
      maps::norm_gelu_backward(norm, read(x) + at, read(dy) + at, write(dx) + at,
                               sums.mutable_data_ptr<float>() + piece * 3 * norm.channels, rows);
    });
    const auto total = joined(sums.sum(0));
    return {dx, total[2].to(offset.scalar_type()), total[0].to(weight.scalar_type()),
            total[1].to(bias.scalar_type()), at::Tensor()};
  }
};

class NormAndPlace : public torch::autograd::Function<NormAndPlace> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& map,
                               const at::Tensor& weight, const at::Tensor& bias, double eps,
                               const at::Tensor& positions) {
    const auto x = map.contiguous(), where = positions.to(at::kBFloat16).contiguous();
    const PerChannel parameters(at::stack({weight.to(at::kFloat), bias.to(at::kFloat)}));
    const auto norm = norm_rows(parameters, false, eps);
    auto y = at::empty_like(x), placed = at::empty_like(x);
    const auto cells = where.size(0), all = x.size(0) * cells;
    in_pieces(all, [&](std::int64_t, std::int64_t first, std::int64_t rows) {
      for (auto row = first;
           row < first + rows;) {  // up to the end of an image, where positions start again
        const auto count = std::min(first + rows - row, cells - row % cells);
        const auto at = row * norm.channels;
        maps::norm_place(norm, read(x) + at, read(where) + row % cells * norm.channels,
                         write(y) + at, write(placed) + at, count);
        row += count;
      }
    });
    context->save_for_backward({x, weight, bias});
    context->saved_data["eps"] = eps;
    return {y, placed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &bias = saved[2];
    const PerChannel parameters(at::stack({weight.to(at::kFloat), bias.to(at::kFloat)}));
    const auto norm = norm_rows(parameters, false, context->saved_data["eps"].toDouble());
    const auto dy = gradients[0].to(at::kBFloat16).contiguous(),
               dplaced = gradients[1].to(at::kBFloat16).contiguous();
    auto dx = at::empty_like(x);
    auto sums = at::zeros({kPieces, 2, norm.channels});
    in_pieces(x.numel() / norm.channels,
              [&](std::int64_t piece, std::int64_t first, std::int64_t rows) {
                const auto at = first * norm.channels;
                maps::norm_place_backward(
                    norm, read(x) + at, read(dy) + at, read(dplaced) + at, write(dx) + at,
                    sums.mutable_data_ptr<float>() + piece * 2 * norm.channels, rows);
              });
    const auto total = joined(sums.sum(0));
    return {dx, total[0].to(weight.scalar_type()), total[1].to(bias.scalar_type()), at::Tensor(),
            at::Tensor()};
  }
};

class GeluDot : public torch::autograd::Function<GeluDot> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& map,
                            const at::Tensor& offset, const at::Tensor& brush) {
    const auto x = map.contiguous();
    const PerChannel shift(offset), brushes(brush);
    const auto masks = x.size(0), pixels = x.size(1), channels = x.size(2);
    auto y = at::empty({masks, pixels}, x.options().dtype(at::kFloat));
    for (std::int64_t k = 0; k < masks; ++k) {
      in_pieces(pixels, [&](std::int64_t, std::int64_t first, std::int64_t rows) {
        const auto row = k * pixels + first;
        maps::gelu_dot(shift.data(), brushes.data() + k * channels, read(x) + row * channels,
                       y.mutable_data_ptr<float>() + row, rows, channels);
      });
    }
    context->save_for_backward({x, offset, brush});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &offset = saved[1], &brush = saved[2];
    const PerChannel shift(offset), brushes(brush);
    const auto masks = x.size(0), pixels = x.size(1), channels = x.size(2);
    const auto dy = gradients[0].to(at::kFloat).contiguous();
    auto dx = at::empty_like(x);
    auto sums = at::zeros({masks, kPieces, 2, channels});
    for (std::int64_t k = 0; k < masks; ++k) {
      in_pieces(pixels, [&](std::int64_t piece, std::int64_t first, std::int64_t rows) {
        const auto row = k * pixels + first;
        maps::gelu_dot_backward(
            shift.data(), brushes.data() + k * channels, read(x) + row * channels,
            dy.const_data_ptr<float>() + row, write(dx) + row * channels,
            sums.mutable_data_ptr<float>() + (k * kPieces + piece) * 2 * channels, rows, channels);
      });
    }
    const auto total = joined(sums.sum(1));  // [K, 2, C]
    return {dx, total.select(1, 0).sum(0).to(offset.scalar_type()),
            total.select(1, 1).to(brush.scalar_type())};
  }
};

}  // namespace

at::Tensor norm_gelu(const at::Tensor& x, const at::Tensor& offset, const at::Tensor& weight,
                     const at::Tensor& bias, double eps) {
  if (is_fused(x)) return NormGelu::apply(x, offset, weight, bias, eps);
  return at::gelu(
      at::layer_norm(x + offset.to(x.scalar_type()), weight.sizes(), weight, bias, eps));
}

std::pair<at::Tensor, at::Tensor> norm_and_place(const at::Tensor& x, const at::Tensor& weight,
                                                 const at::Tensor& bias, double eps,
                                                 const at::Tensor& positions) {
  TORCH_CHECK(x.dim() == 3 && positions.dim() == 2 && x.size(1) == positions.size(0),
              "norm_and_place: ", x.sizes(), " and positions ", positions.sizes());
  if (is_fused(x)) {
    auto both = NormAndPlace::apply(x, weight, bias, eps, positions);
    return {both[0], both[1]};
  }
  const auto y = at::layer_norm(x, weight.sizes(), weight, bias, eps);
  return {y, y + positions.to(y.scalar_type())};
}

at::Tensor gelu_dot(const at::Tensor& x, const at::Tensor& offset, const at::Tensor& brush) {
  TORCH_CHECK(
      x.dim() == 3 && brush.dim() == 2 && x.size(0) == brush.size(0) && x.size(2) == brush.size(1),
      "gelu_dot: ", x.sizes(), " and ", brush.sizes());
  if (is_fused(x)) return GeluDot::apply(x, offset, brush);
  const auto activated = at::gelu(x + offset.to(x.scalar_type()));
  return at::bmm(activated, brush.to(activated.scalar_type()).unsqueeze(-1))
      .squeeze(-1)
      .to(at::kFloat);
}

}  // namespace medseg
