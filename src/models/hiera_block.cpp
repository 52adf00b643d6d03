#include "hiera_block.h"

#include <ATen/ATen.h>

namespace medseg {
namespace {

constexpr double kNormEps = 1e-6;
constexpr std::int64_t kMlpRatio = 4;

/// The largest of each 2×2 cells: [n, h, w, c] -> [n, h / 2, w / 2, c].
at::Tensor pooled(const at::Tensor& map) {
  return at::max_pool2d(map.permute({0, 3, 1, 2}), {2, 2}, {2, 2}).permute({0, 2, 3, 1});
}

}  // namespace

HieraBlock::HieraBlock(const Options& options)
    : options_(options),
      norm1_(options.in, kNormEps),
      norm2_(options.out, kNormEps),
      qkv_(options.in, 3 * options.out),
      attention_out_(options.out, options.out),
      hidden_(options.out, kMlpRatio * options.out),
      mlp_out_(kMlpRatio * options.out, options.out) {
  register_module("norm1", norm1_);
  register_module("attn.qkv", qkv_);
  register_module("attn.proj", attention_out_);
  register_module("norm2", norm2_);
  register_module("mlp.layers.0", hidden_);
  register_module("mlp.layers.1", mlp_out_);
  if (halves()) {
    shortcut_ = std::make_unique<Linear>(options.in, options.out);
    register_module("proj", *shortcut_);
  }
}

at::Tensor HieraBlock::forward(const at::Tensor& map) const {
  const auto normal = norm1_.forward(map);
  // Where the width changes, the shortcut starts behind the norm.
  const auto kept = shortcut_ ? pooled(shortcut_->forward(normal)) : map;
  const auto x = kept + (options_.window == 0 ? attend(normal) : attend_in_windows(normal));
  return x + mlp_out_.forward(at::gelu(hidden_.forward(norm2_.forward(x))));
}

at::Tensor HieraBlock::attend(const at::Tensor& maps) const {
  const auto count = maps.size(0), height = maps.size(1), width = maps.size(2);
  const auto parts = qkv_.forward(maps).view({count, height, width, 3, options_.out}).unbind(3);
  const auto query = halves() ? pooled(parts[0]) : parts[0];
  const auto by_head = [&](const at::Tensor& x) {  // [n, heads, cells, d]
    return x.reshape({count, x.size(1) * x.size(2), options_.heads, -1}).transpose(1, 2);
  };
  const auto mixed =
      at::scaled_dot_product_attention(by_head(query), by_head(parts[1]), by_head(parts[2]));
  return attention_out_.forward(mixed.transpose(1, 2).reshape(query.sizes()));
}

at::Tensor HieraBlock::attend_in_windows(const at::Tensor& map) const {
  // Cells that pad the map are zeros behind the norm and take part in the attention.
  const auto window = options_.window;
  const auto batch = map.size(0), height = map.size(1), width = map.size(2), depth = map.size(3);
  const auto down = (height + window - 1) / window, across = (width + window - 1) / window;
  const auto padded =
      at::constant_pad_nd(map, {0, 0, 0, across * window - width, 0, down * window - height});
  const auto windows = padded.view({batch, down, window, across, window, depth})
                           .transpose(2, 3)
                           .reshape({-1, window, window, depth});
  const auto scale = halves() ? 2 : 1;
  const auto side = window / scale;
  return attend(windows)
      .view({batch, down, across, side, side, options_.out})
      .transpose(2, 3)
      .reshape({batch, down * side, across * side, options_.out})
      .narrow(1, 0, height / scale)
      .narrow(2, 0, width / scale);
}

}  // namespace medseg
