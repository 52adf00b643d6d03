// TinyViT with a grid for SAM's decoder: no stride between the last two stages, and before the
// first none (LiteMedSAM, 256 pixels to SAM's grid of 64) or two (MobileSAM, 1024 pixels to 64).
#include "medseg/models/tiny_vit.h"

#include <cmath>
#include <optional>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding_options.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/window_attention.h"
#include "medseg/weights/named_shapes.h"
#include "tiny_vit_frozen.h"

namespace medseg {
namespace {

constexpr std::int64_t kStages = 4;
constexpr std::int64_t kExpansion = 4;  // of MBConv's and the MLP's hidden width
constexpr double kNormEps = 1e-5;
constexpr std::int64_t kPublishedGrid = 64;  // of SAM's decoder, which no shape tells

/// 1×1, GELU, depthwise 3×3, GELU, 1×1; with `residual` then + x, GELU. Keys: conv{1,2,3}.*
class Bottleneck : public Module {
 public:
  Bottleneck(std::int64_t in, std::int64_t hidden, std::int64_t out, std::int64_t stride,
             bool residual)
      : stride_(stride),
        residual_(residual),
        conv1_(in, hidden, {}),
        conv2_(hidden, hidden, {.kernel = 3, .stride = stride, .padding = 1, .groups = hidden}),
        conv3_(hidden, out, {}) {
    register_module("conv1", conv1_);
    register_module("conv2", conv2_);
    register_module("conv3", conv3_);
  }

  at::Tensor forward(const at::Tensor& x) const {  // [B, C, H, W]
    const auto wide = at::gelu(conv2_.forward(at::gelu(conv1_.forward(x))));
    const auto y = conv3_.forward(wide);
    return residual_ ? at::gelu(y + x) : y;
  }

  frozen::Bottleneck freeze() const {
    const auto [weight, bias] = conv2_.folded();
    return {.expand = frozen::Dense(conv1_),
            .project = frozen::Dense(conv3_),
            .depthwise = depthwise_taps(weight, bias),
            .stride = stride_,
            .residual = residual_};
  }

 private:
  std::int64_t stride_;
  bool residual_;
  ConvBatchNorm conv1_, conv2_, conv3_;
};

/// Attention inside windows with a learned bias for each distance. Keys:
/// attn.{attention_biases,norm,qkv,proj}, mlp.{norm,fc1,fc2}, local_conv.
class Block : public Module {
 public:
  Block(std::int64_t width, std::int64_t heads, std::int64_t window)
      : width_(width),
        heads_(heads),
        window_(window),
        attention_norm_(width, kNormEps),
        mlp_norm_(width, kNormEps),
        qkv_(width, 3 * width),
        projection_(width, width),
        fc1_(width, width * kExpansion),
        fc2_(width * kExpansion, width),
        local_(width, width, {.kernel = 3, .padding = 1, .groups = width}) {
    if (width % heads != 0) {
      throw ConfigError(
          str_cat("tiny_vit.heads: ", heads, " heads do not divide a width of ", width));
    }
    // One number a head and distance (|dy|, |dx|), row by row.
    register_parameter("attn.attention_biases", biases_,
                       constant_parameter({heads, window * window}, 0.0));
    register_module("attn.norm", attention_norm_);
    register_module("attn.qkv", qkv_);
    register_module("attn.proj", projection_);
    register_module("mlp.norm", mlp_norm_);
    register_module("mlp.fc1", fc1_);
    register_module("mlp.fc2", fc2_);
    register_module("local_conv", local_);
  }

  at::Tensor forward(const at::Tensor& map) const {  // [B, C, H, W]
    const auto batch = map.size(0), height = map.size(2), width = map.size(3);
    const auto x = map.permute({0, 2, 3, 1});  // [B, H, W, C]
    const auto down = (height + window_ - 1) / window_, across = (width + window_ - 1) / window_;
    const auto padded =
        at::constant_pad_nd(x, {0, 0, 0, across * window_ - width, 0, down * window_ - height});
    const auto windows = padded.reshape({batch, down, window_, across, window_, width_})
                             .transpose(2, 3)
                             .reshape({-1, window_ * window_, width_});
    const auto attended = attention(attention_norm_.forward(windows))
                              .view({batch, down, across, window_, window_, width_})
                              .transpose(2, 3)
                              .reshape({batch, down * window_, across * window_, width_})
                              .narrow(1, 0, height)
                              .narrow(2, 0, width);
    const auto y = local_.forward((x + attended).permute({0, 3, 1, 2})).permute({0, 2, 3, 1});
    const auto hidden = fc2_.forward(at::gelu(fc1_.forward(mlp_norm_.forward(y))));
    return (y + hidden).permute({0, 3, 1, 2});
  }

  frozen::Block freeze() const {
    const auto [weight, bias] = local_.folded();
    frozen::Block block;
    block.window = window_;
    block.attention_norm = {attention_norm_.weight, attention_norm_.bias, kNormEps};
    block.mlp_norm = {mlp_norm_.weight, mlp_norm_.bias, kNormEps};
    block.qkv = {qkv_.weight, qkv_.bias};
    block.projection = {projection_.weight, projection_.bias};
    block.fc1 = {fc1_.weight, fc1_.bias};
    block.fc2 = {fc2_.weight, fc2_.bias};
    block.attention_bias = PairBias(attention_bias());
    block.local = depthwise_taps(weight, bias);
    return block;
  }

 private:
  at::Tensor attention_bias() const {  // [heads, window², window²]
    const auto line = at::arange(window_, biases_.options().dtype(at::kLong));
    const auto distance = (line.view({-1, 1}) - line).abs();  // [w, w]
    const auto index =
        distance.view({window_, 1, window_, 1}) * window_ + distance.view({1, window_, 1, window_});
    const auto cells = window_ * window_;
    return biases_.index_select(1, index.reshape(-1)).view({heads_, cells, cells});
  }

  at::Tensor attention(const at::Tensor& x) const {  // [n, window², C]
    return projection_.forward(window_attention(qkv_.forward(x), attention_bias()));
  }

  std::int64_t width_, heads_, window_;
  LayerNorm attention_norm_, mlp_norm_;
  Linear qkv_, projection_, fc1_, fc2_;
  ConvBatchNorm local_;
  at::Tensor biases_;
};

/// Side of a grid's cell: the two first convolutions, then two mergings.
std::int64_t cell_pixels(const TinyVitOptions& o) { return o.patch_stride * o.patch_stride * 4; }

Conv2d::Options patch_convolution(std::int64_t stride) {
  if (stride == 1) return {};
  return {.kernel = 3, .stride = stride, .padding = 1};
}

void check(const TinyVitOptions& o) {
  const auto length_is_four = [](const char* name, const std::vector<std::int64_t>& values) {
    if (static_cast<std::int64_t>(values.size()) != kStages) {
      throw ConfigError(
          str_cat("tiny_vit.", name, ": ", values.size(), " values, expected ", kStages));
    }
    for (const auto value : values) {
      if (value < 1) throw ConfigError(str_cat("tiny_vit.", name, ": ", value, " is not positive"));
    }
  };
  length_is_four("widths", o.widths);
  length_is_four("depths", o.depths);
  length_is_four("heads", o.heads);
  length_is_four("windows", o.windows);
  const auto cell = cell_pixels(o);
  if (o.image_size % cell != 0)
    throw ConfigError(str_cat("tiny_vit.image_size: ", o.image_size, " is no multiple of ", cell));
}

class TinyVit : public GroundingEncoder {
 public:
  TinyVit(const TinyVitOptions& o, std::int64_t out_width)
      : image_size_(o.image_size),
        grid_(o.image_size / cell_pixels(o)),
        embed0_(3, o.widths.at(0) / 2, patch_convolution(o.patch_stride)),
        embed2_(o.widths.at(0) / 2, o.widths.at(0), patch_convolution(o.patch_stride)),
        neck0_(o.widths.back(), out_width, {.bias = false}),
        neck2_(out_width, out_width, {.kernel = 3, .padding = 1, .bias = false}),
        neck1_(out_width),
        neck3_(out_width) {
    register_module("patch_embed.seq.0", embed0_);
    register_module("patch_embed.seq.2", embed2_);
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      const auto width = o.widths[stage];
      const auto at = str_cat("layers.", stage);
      blocks_.emplace_back();
      for (std::int64_t i = 0; i < o.depths[stage]; ++i) {
        const auto name = str_cat(at, ".blocks.", i);
        if (stage == 0) {
          convolutions_.push_back(
              std::make_unique<Bottleneck>(width, width * kExpansion, width, 1, true));
          register_module(name, *convolutions_.back());
        } else {
          blocks_[stage].push_back(
              std::make_unique<Block>(width, o.heads[stage], o.windows[stage]));
          register_module(name, *blocks_[stage].back());
        }
      }
      if (stage + 1 == kStages) break;
      const auto next = o.widths[stage + 1];
      const std::int64_t stride = stage + 2 == kStages ? 1 : 2;
      mergings_.push_back(std::make_unique<Bottleneck>(width, next, next, stride, false));
      register_module(at + ".downsample", *mergings_.back());
    }
    register_module("neck.0", neck0_);
    register_module("neck.1", neck1_);
    register_module("neck.2", neck2_);
    register_module("neck.3", neck3_);
  }

  at::Tensor forward(const at::Tensor& pixels) const override {
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(2) == image_size_ && pixels.size(3) == image_size_,
                "TinyVit: pixels [B, 3, ", image_size_, ", ", image_size_, "] are expected, got ",
                pixels.sizes());
    const auto dtype = compute_dtype(pixels);
    const bool learns = at::GradMode::is_enabled() && pixels.requires_grad();
    if (frozen_ && pixels.is_cpu() && !learns && (dtype == at::kFloat || dtype == at::kBFloat16)) {
      const AutocastScope chosen_already(at::kCPU, at::kFloat);
      return frozen_->forward(pixels.to(dtype));
    }
    auto x = embed2_.forward(at::gelu(embed0_.forward(pixels)));
    for (const auto& block : convolutions_) x = block->forward(x);
    for (std::size_t stage = 1; stage < kStages; ++stage) {
      x = mergings_[stage - 1]->forward(x);
      for (const auto& block : blocks_[stage]) x = block->forward(x);
    }
    x = neck2_.forward(neck1_.forward(neck0_.forward(x)));
    return neck3_.forward(x);
  }

  std::int64_t image_size() const override { return image_size_; }
  std::int64_t grid() const override { return grid_; }

  void prepare_frozen() override {
    const at::NoGradGuard no_grad;
    frozen::Encoder encoder;
    encoder.embed0 = frozen::Convolution(embed0_);
    encoder.embed2 = frozen::Convolution(embed2_);
    for (const auto& block : convolutions_) encoder.bottlenecks.push_back(block->freeze());
    encoder.first_merging = convolutions_.size();
    for (std::size_t stage = 1; stage < kStages; ++stage) {
      encoder.bottlenecks.push_back(mergings_[stage - 1]->freeze());
      encoder.stages.emplace_back();
      for (const auto& block : blocks_[stage]) encoder.stages.back().push_back(block->freeze());
    }
    encoder.neck0 = frozen::Matrix(neck0_.weight.flatten(1));
    encoder.neck1 = {neck1_.weight, neck1_.bias, neck1_.eps()};
    encoder.neck3 = {neck3_.weight, neck3_.bias, neck3_.eps()};
    encoder.neck2 =
        neck2_.weight.detach().to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
    encoder.narrow_neck2 = encoder.neck2.to(at::kBFloat16);
    frozen_ = std::move(encoder);
  }

 private:
  std::int64_t image_size_, grid_;
  ConvBatchNorm embed0_, embed2_;
  std::vector<std::unique_ptr<Bottleneck>> convolutions_;  // stage 0
  std::vector<std::unique_ptr<Bottleneck>> mergings_;      // after stages 0, 1, 2
  std::vector<std::vector<std::unique_ptr<Block>>>
      blocks_;  // stages 1, 2, 3; the first list is empty
  Conv2d neck0_, neck2_;
  LayerNorm2d neck1_, neck3_;
  std::optional<frozen::Encoder> frozen_;
};

bool is_in(const NamedShapes& shapes) {
  return shapes.has("image_encoder.patch_embed.seq.0.c.weight");
}

TinyVitOptions geometry(const NamedShapes& shapes) {
  TinyVitOptions options;
  const std::string patch = "image_encoder.patch_embed.seq.0.c.weight";
  const auto kernel = shapes.of(patch, 4)[2];
  if (kernel != 1 && kernel != 3) {
    shapes.refuse(
        str_cat(patch, ": a kernel of ", kernel, "; known are 1 (LiteMedSAM) and 3 (MobileSAM)"));
  }
  options.patch_stride = kernel == 1 ? 1 : 2;
  options.image_size = kPublishedGrid * 4 * options.patch_stride * options.patch_stride;
  options.widths[0] = shapes.of("image_encoder.patch_embed.seq.2.c.weight", 4)[0];
  for (std::size_t stage = 0; stage < options.widths.size(); ++stage) {
    const auto at = str_cat("image_encoder.layers.", stage);
    options.depths[stage] = shapes.count(at + ".blocks.");
    if (options.depths[stage] == 0) shapes.refuse("no blocks " + at + ".blocks.…");
    if (stage > 0) {
      const auto biases = at + ".blocks.0.attn.attention_biases";
      const auto& shape = shapes.of(biases, 2);
      options.heads[stage] = shape[0];
      options.windows[stage] = std::llround(std::sqrt(static_cast<double>(shape[1])));
      if (options.windows[stage] * options.windows[stage] != shape[1])
        shapes.refuse(str_cat(biases, ": ", shape[1], " distances are no square window's"));
    }
    if (stage + 1 < options.widths.size())
      options.widths[stage + 1] = shapes.of(at + ".downsample.conv3.c.weight", 4)[0];
  }
  return options;
}

constexpr GroundingEncoderRow row() {
  auto row = grounding_encoder_row<TinyVitOptions, make_tiny_vit, is_in, geometry>("tiny_vit");
  row.in_every_config = true;
  return row;
}

}  // namespace

std::unique_ptr<GroundingEncoder> make_tiny_vit(const TinyVitOptions& options,
                                                std::int64_t out_width) {
  check(options);
  return std::make_unique<TinyVit>(options, out_width);
}

extern constinit const GroundingEncoderRow kTinyVitRow = row();

}  // namespace medseg
