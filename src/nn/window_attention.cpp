#include "medseg/nn/window_attention.h"

#include <cmath>

#include <ATen/ATen.h>

#include "amx.h"
#include "medseg/nn/flop_count.h"
#include "medseg/nn/parallel.h"
#include "window_tiles.h"

namespace medseg {
namespace {

constexpr float kNowhere = -1e31F;  // score of keys that do not exist: their weight is zero

at::Tensor in_tiles(const at::Tensor& qkv, const PairBias& bias) {
  const auto count = qkv.size(0), cells = qkv.size(1), heads = bias.heads(), depth = tiles::kDepth;
  auto out = at::empty({count, cells, heads * depth}, qkv.options());
  const auto* from = qkv.const_data_ptr<c10::BFloat16>();
  const auto* biases = bias.parted().const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<c10::BFloat16>();
  // Head after head, so that its biases stay in the cache for all windows of a thread.
  parallel_for(0, heads * count, 4, [&](std::int64_t begin, std::int64_t end) {
    const auto room = at::empty({tiles::room(cells)}, at::kByte);  // aligned
    const amx::Session session;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto head = i / count, window = i % count;
      const auto* query = from + window * cells * qkv.size(2) + head * 3 * depth;
      tiles::attend({.query = query,
                     .key = query + depth,
                     .value = query + 2 * depth,
                     .stride = qkv.size(2),
                     .bias = biases + head * bias.parted().stride(0),
                     .out = to + window * cells * out.size(2) + head * depth,
                     .out_stride = out.size(2),
                     .cells = cells},
                    room.mutable_data_ptr());
    }
  });
  add_flops(4.0 * static_cast<double>(out.numel() * cells));
  return out;
}

}  // namespace

PairBias::PairBias(const at::Tensor& bias) : plain_(bias.detach().to(at::kFloat).contiguous()) {
  TORCH_CHECK(bias.dim() == 3 && bias.size(1) == bias.size(2), "PairBias: ", bias.sizes());
  const auto keys = tiles::whole(cells(), tiles::kKeys);
  parted_ = at::constant_pad_nd(plain_ * std::log2(std::exp(1.0)), {0, keys - cells()}, kNowhere)
                .view({heads(), cells(), -1, tiles::kKeys / 2, 2})
                .transpose(3, 4)
                .reshape({heads(), cells(), keys});
}

at::Tensor window_attention(const at::Tensor& qkv, const PairBias& bias) {
  TORCH_CHECK(qkv.is_contiguous() && qkv.dim() == 3 && qkv.size(1) == bias.cells() &&
                  qkv.size(2) % (3 * bias.heads()) == 0,
              "window_attention: qkv ", qkv.sizes(), " and biases of ", bias.heads(), " heads and ",
              bias.cells(), " cells");
  const auto depth = qkv.size(2) / (3 * bias.heads());
  if (qkv.is_cpu() && qkv.scalar_type() == at::kBFloat16 && depth == tiles::kDepth && amx::usable())
    return in_tiles(qkv, bias);
  return window_attention(qkv, bias.plain());
}

at::Tensor window_attention(const at::Tensor& qkv, const at::Tensor& bias) {
  const auto heads = bias.size(0), depth = qkv.size(2) / (3 * heads);
  const auto parts = qkv.view({qkv.size(0), qkv.size(1), heads, 3, depth}).permute({3, 0, 2, 1, 4});
  return at::scaled_dot_product_attention(parts[0], parts[1], parts[2],
                                          bias.unsqueeze(0).to(qkv.scalar_type()))
      .transpose(1, 2)
      .reshape({qkv.size(0), qkv.size(1), heads * depth});
}

}  // namespace medseg
