#include "tiny_vit_frozen.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "medseg/nn/parallel.h"

namespace medseg::frozen {
namespace {

constexpr std::int64_t kCacheBytes =
    1 << 20;  // what a hidden map may take: it and its successor fit a core's L2

// Workers have no idea of the caller's gradient or inference mode; nothing here is for autograd.
using WithoutAutograd = at::AutoDispatchBelowADInplaceOrView;

std::int64_t item_bytes(const at::Tensor& x) { return static_cast<std::int64_t>(x.element_size()); }

/// Between a map [B, H, W, C] and its windows [B·nH·nW, window², C], one window row a copy. Cells
/// beyond the map are `outside` [C] on the way out and are dropped on the way back.
class Windows {
 public:
  Windows(const at::Tensor& map, std::int64_t window)
      : batch_(map.size(0)),
        height_(map.size(1)),
        width_(map.size(2)),
        channels_(map.size(3)),
        window_(window),
        down_((height_ + window - 1) / window),
        across_((width_ + window - 1) / window) {}

  at::Tensor take(const at::Tensor& map, const at::Tensor& outside) const {
    auto windows =
        at::empty({batch_ * down_ * across_, window_ * window_, channels_}, map.options());
    const auto bytes = channels_ * item_bytes(map);
    const auto* from = static_cast<const char*>(map.const_data_ptr());
    const auto* fill = static_cast<const char*>(outside.const_data_ptr());
    auto* to = static_cast<char*>(windows.mutable_data_ptr());
    each_row([&](std::int64_t cell, std::int64_t inside, std::int64_t row) {
      auto* target = to + row * bytes;
      if (inside > 0)
        std::memcpy(target, from + cell * bytes, static_cast<std::size_t>(inside * bytes));
      for (std::int64_t i = inside; i < window_; ++i) {
        std::memcpy(target + i * bytes, fill, static_cast<std::size_t>(bytes));
      }
    });
    return windows;
  }

  at::Tensor put_back(const at::Tensor& windows) const {
    auto map = at::empty({batch_, height_, width_, channels_}, windows.options());
    const auto bytes = channels_ * item_bytes(windows);
    const auto* from = static_cast<const char*>(windows.const_data_ptr());
    auto* to = static_cast<char*>(map.mutable_data_ptr());
    each_row([&](std::int64_t cell, std::int64_t inside, std::int64_t row) {
      if (inside > 0)
        std::memcpy(to + cell * bytes, from + row * bytes,
                    static_cast<std::size_t>(inside * bytes));
    });
    return map;
  }

 private:
  /// visit(first cell in the map, cells of it inside the map, first row in the windows)
  template <class Visit>
  void each_row(const Visit& visit) const {
    parallel_for(0, batch_ * down_ * across_, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto x = i % across_ * window_, top = i / across_ % down_ * window_,
                   image = i / (across_ * down_);
        for (std::int64_t r = 0; r < window_; ++r) {
          const auto y = top + r;
          const auto inside = y < height_ ? std::min(window_, width_ - x) : 0;
          visit((image * height_ + y) * width_ + x, inside, (i * window_ + r) * window_);
        }
      }
    });
  }

  std::int64_t batch_, height_, width_, channels_, window_, down_, across_;
};

}  // namespace

Matrix::Matrix(const at::Tensor& weight)
    : weight_(weight.detach().to(at::kFloat).contiguous()),
      narrow_weight_(weight_.to(at::kBFloat16)) {}

at::Tensor Matrix::forward(const at::Tensor& x) const {
  return at::linear(x, x.scalar_type() == at::kBFloat16 ? narrow_weight_ : weight_);
}

void Matrix::forward_into(const at::Tensor& x, at::Tensor& out) const {
  at::mm_out(out, x, (x.scalar_type() == at::kBFloat16 ? narrow_weight_ : weight_).t());
}

Dense::Dense(const at::Tensor& weight, const at::Tensor& offset) : matrix(weight), bias(offset) {}

Dense::Dense(const ConvBatchNorm& pointwise) {
  const auto [weight, offset] = pointwise.folded();
  *this = Dense(weight.flatten(1), offset);
}

at::Tensor Dense::forward(const at::Tensor& x, Then then) const {
  auto y = matrix.forward(x);
  add_bias(y, bias, then);
  return y;
}

Convolution::Convolution(const ConvBatchNorm& convolution) {
  const auto& options = convolution.options();
  if (options.kernel == 1 && options.stride == 1) {
    dense_ = Dense(convolution);
    return;
  }
  const auto [weight, offset] = convolution.folded();
  weight_ = weight.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  narrow_weight_ = weight_.to(at::kBFloat16);
  bias_ = PerChannel(offset);
  stride_ = options.stride;
  padding_ = options.padding;
}

at::Tensor Convolution::forward(const at::Tensor& x, Then then) const {
  if (!weight_.defined()) return dense_.forward(x, then);
  auto y = at::conv2d(x.permute({0, 3, 1, 2}),
                      x.scalar_type() == at::kBFloat16 ? narrow_weight_ : weight_, {},
                      {stride_, stride_}, {padding_, padding_})
               .permute({0, 2, 3, 1})
               .contiguous();
  add_bias(y, bias_, then);
  return y;
}

Norm::Norm(const at::Tensor& weight, const at::Tensor& bias, double epsilon)
    : affine(at::stack({weight.detach(), bias.detach()})),
      zero(bias.detach().to(at::kFloat)),
      eps(epsilon) {}

// The hidden map is four times as wide as its input: it is made, convolved and projected strip by
// strip of rows.
at::Tensor Bottleneck::forward(const at::Tensor& x) const {
  const auto height = x.size(1), width = x.size(2), hidden = expand.matrix.out(),
             out_channels = project.matrix.out();
  const auto out_height = (height + stride - 1) / stride, out_width = (width + stride - 1) / stride;
  auto out = at::empty({x.size(0), out_height, out_width, out_channels}, x.options());
  const auto rows = std::clamp<std::int64_t>(
      kCacheBytes / (width * hidden * item_bytes(x) * stride), 1, out_height);
  const auto strips = (out_height + rows - 1) / rows;
  parallel_for(0, x.size(0) * strips, 1, [&](std::int64_t begin, std::int64_t end) {
    const WithoutAutograd guard;
    const auto wide = at::empty({(rows - 1) * stride + 3, width, hidden}, x.options());
    const auto convolved = at::empty({rows, out_width, hidden}, x.options());
    for (std::int64_t i = begin; i < end; ++i) {
      const auto image = x.select(0, i / strips), target = out.select(0, i / strips);
      const auto first = i % strips * rows, count = std::min(rows, out_height - first);
      const auto top = first * stride - 1,
                 bottom = (first + count - 1) * stride + 2;  // rows [top, bottom) are needed
      const auto from = std::max<std::int64_t>(top, 0), to = std::min(bottom, height);
      const auto strip = wide.narrow(0, 0, bottom - top);
      if (from > top) strip.narrow(0, 0, from - top).zero_();
      if (to < bottom) strip.narrow(0, to - top, bottom - to).zero_();
      auto inside = strip.narrow(0, from - top, to - from).view({-1, hidden});
      expand.matrix.forward_into(image.narrow(0, from, to - from).view({-1, x.size(3)}), inside);
      add_bias(inside, expand.bias, Then::kGelu);
      auto middle = convolved.narrow(0, 0, count);
      depthwise_3x3_rows(strip, depthwise, stride, Then::kGelu, middle);
      auto result = target.narrow(0, first, count).view({-1, out_channels});
      project.matrix.forward_into(middle.view({-1, hidden}), result);
      if (residual) {
        add_bias_and(result, project.bias, image.narrow(0, first, count), Then::kGelu);
      } else {
        add_bias(result, project.bias, Then::kNothing);
      }
    }
  });
  return out;
}

at::Tensor Block::attend(const at::Tensor& windows) const {
  return projection.matrix.forward(window_attention(qkv.forward(windows), attention_bias));
}

void Block::add_mlp(at::Tensor& x) const {
  auto cells = x.view({-1, x.size(3)});
  const auto rows = std::max<std::int64_t>(kCacheBytes / (fc1.matrix.out() * item_bytes(x)), 1);
  const auto chunks = (cells.size(0) + rows - 1) / rows;
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    const WithoutAutograd guard;
    for (std::int64_t i = begin; i < end; ++i) {
      auto chunk = cells.narrow(0, i * rows, std::min(rows, cells.size(0) - i * rows));
      const auto added = fc2.matrix.forward(fc1.forward(mlp_norm.forward(chunk), Then::kGelu));
      add_bias_and(chunk, fc2.bias, added, Then::kNothing);
    }
  });
}

at::Tensor Block::forward(const at::Tensor& x) const {
  const Windows windows(x, window);
  // Zeros around the map are normalised like any cell, to the norm's bias, and take part in the
  // attention.
  const auto outside = attention_norm.zero.to(x.scalar_type());
  auto y = windows.put_back(attend(windows.take(attention_norm.forward(x), outside)));
  add_bias_and(y, projection.bias, x, Then::kNothing);
  y = depthwise_3x3(y, local);
  add_mlp(y);
  return y;
}

at::Tensor Encoder::forward(const at::Tensor& pixels) const {
  auto x = pixels.permute({0, 2, 3, 1}).contiguous();  // [B, G, G, 3]
  x = embed2.forward(embed0.forward(x, Then::kGelu));
  for (std::size_t i = 0; i < first_merging; ++i) x = bottlenecks[i].forward(x);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    x = bottlenecks[first_merging + i].forward(x);
    for (const auto& block : stages[i]) x = block.forward(x);
  }
  x = neck1.forward(neck0.forward(x)).permute({0, 3, 1, 2});  // channels last in memory
  x = at::conv2d(x, x.scalar_type() == at::kBFloat16 ? narrow_neck2 : neck2, {}, {1, 1}, {1, 1});
  return neck3.forward(x.permute({0, 2, 3, 1}).contiguous()).permute({0, 3, 1, 2});
}

}  // namespace medseg::frozen
