#include "medseg/models/dinov2.h"

#include <array>
#include <mutex>
#include <optional>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/vision_tower_row.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "published_tower.h"
#include "vit_block.h"

namespace medseg {
namespace {

// ImageNet's, as published.
constexpr PublishedPreprocess kPreprocess = {
    .mode = VisionFit::kPad, .mean = {0.485, 0.456, 0.406}, .deviation = {0.229, 0.224, 0.225}};
// Pixels, where no preprocessor_config.json says another number.
constexpr std::int64_t kImageSize = 224;

/// x + λ1 · attention(norm1 x), then + λ2 · mlp(norm2 x).
class Block : public Module {
 public:
  explicit Block(const Dinov2Options& o)
      : heads_(o.heads),
        norm1_(o.width, o.norm_eps),
        norm2_(o.width, o.norm_eps),
        query_(o.width, o.width),
        key_(o.width, o.width),
        value_(o.width, o.width),
        dense_(o.width, o.width),
        fc1_(o.width, o.width * o.mlp_ratio),
        fc2_(o.width * o.mlp_ratio, o.width) {
    register_module("norm1", norm1_);
    register_module("attention.attention.query", query_);
    register_module("attention.attention.key", key_);
    register_module("attention.attention.value", value_);
    register_module("attention.output.dense", dense_);
    register_parameter("layer_scale1.lambda1", scale1_, constant_parameter({o.width}, 1.0));
    register_module("norm2", norm2_);
    register_module("mlp.fc1", fc1_);
    register_module("mlp.fc2", fc2_);
    register_parameter("layer_scale2.lambda1", scale2_, constant_parameter({o.width}, 1.0));
  }

  at::Tensor forward(at::Tensor x) const {  // [B, T, D]
    if (narrow_ && NarrowBlock::fits(x))
      return narrow_->forward(x, norm1_, norm2_, heads_, Activation::kGelu);
    const auto mixed = attend(norm1_.forward(x), query_, key_, value_, heads_);
    x = at::addcmul(x, dense_.forward(mixed).to(x.scalar_type()), scale1_.to(x.scalar_type()));
    const auto hidden = fc2_.forward(at::gelu(fc1_.forward(norm2_.forward(x))));
    return at::addcmul(x, hidden.to(x.scalar_type()), scale2_.to(x.scalar_type()));
  }

  void prepare_frozen() {
    narrow_.emplace(NarrowBlock::Parts{query_, key_, value_, dense_, fc1_, fc2_, scale1_, scale2_});
  }

 private:
  std::int64_t heads_;
  LayerNorm norm1_, norm2_;
  Linear query_, key_, value_, dense_, fc1_, fc2_;
  at::Tensor scale1_, scale2_;
  std::optional<NarrowBlock> narrow_;
};

class Dinov2 : public VisionTower {
 public:
  explicit Dinov2(const Dinov2Options& o)
      : options_(o),
        patches_(3, o.width, {.kernel = o.patch, .stride = o.patch}),
        norm_(o.width, o.norm_eps) {
    if (o.image_size % o.patch != 0) {
      throw ConfigError(str_cat("dinov2.image_size: ", o.image_size,
                                " is no multiple of the patch size ", o.patch));
    }
    if (o.width % o.heads != 0) {
      throw ConfigError(
          str_cat("dinov2.heads: ", o.heads, " heads do not divide a width of ", o.width));
    }
    constexpr double kDeviation = 0.02;  // the published initialisation
    const auto positions = 1 + o.position_grid * o.position_grid;
    register_parameter("embeddings.cls_token", class_token_,
                       normal_parameter({1, 1, o.width}, kDeviation));
    register_parameter("embeddings.position_embeddings", positions_,
                       normal_parameter({1, positions, o.width}, kDeviation));
    register_module("embeddings.patch_embeddings.projection", patches_);
    for (std::int64_t i = 0; i < o.layers; ++i) {
      blocks_.push_back(std::make_unique<Block>(o));
      register_module(str_cat("encoder.layer.", i), *blocks_.back());
    }
    register_module("layernorm", norm_);
  }

  at::Tensor tokens(const at::Tensor& pixels) const override {
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(2) == options_.image_size &&
                    pixels.size(3) == options_.image_size,
                "Dinov2: pixels [B, 3, ", options_.image_size, ", ", options_.image_size,
                "] are expected, got ", pixels.sizes());
    auto x = patches_.forward(pixels).flatten(2).transpose(1, 2);                 // [B, N, D]
    x = at::cat({class_token_.expand({x.size(0), -1, -1}), x}, 1) + positions();  // [B, 1+N, D]
    for (const auto& block : blocks_) x = block->forward(x);
    return norm_.forward(x);
  }

  at::Tensor features(const at::Tensor& pixels) const override {
    return tokens(pixels).narrow(1, 1, grid() * grid());
  }

  void prepare_frozen() override {
    for (const auto& block : blocks_) block->prepare_frozen();
  }

  std::int64_t width() const override { return options_.width; }
  std::int64_t grid() const override { return options_.image_size / options_.patch; }
  std::int64_t image_size() const override { return options_.image_size; }

 private:
  /// [1, 1+N, D] for this grid; kept while the stored positions are frozen and unchanged.
  at::Tensor positions() const {
    if (positions_.requires_grad()) return resampled();
    const std::lock_guard lock(mutex_);
    const auto version = positions_._version();
    if (!cached_.defined() || cached_from_ != positions_.const_data_ptr() ||
        cached_version_ != version) {
      const c10::InferenceMode normal_tensors(false);  // they outlive the pass that made them
      const at::NoGradGuard no_grad;
      cached_ = resampled();
      cached_from_ = positions_.const_data_ptr();
      cached_version_ = version;
    }
    return cached_;
  }

  at::Tensor resampled() const {
    const auto stored = options_.position_grid, side = grid();
    const auto all = positions_.to(at::kFloat);
    if (stored == side) return all;
    const auto map =
        all.narrow(1, 1, stored * stored).reshape({1, stored, stored, -1}).permute({0, 3, 1, 2});
    // Bicubic (a = -0.75, half-pixel centres) to the exact size, as transformers does.
    const auto fitted = at::upsample_bicubic2d(map.contiguous(), at::IntArrayRef{side, side},
                                               /*align_corners=*/false);
    return at::cat({all.narrow(1, 0, 1), fitted.flatten(2).transpose(1, 2)}, 1);
  }

  Dinov2Options options_;
  at::Tensor class_token_, positions_;  // [1, 1, D], [1, 1 + position_grid², D]
  Conv2d patches_;
  std::vector<std::unique_ptr<Block>> blocks_;
  LayerNorm norm_;

  mutable std::mutex mutex_;
  mutable at::Tensor cached_;
  mutable const void* cached_from_ = nullptr;
  mutable std::int64_t cached_version_ = -1;
};

// transformers 5 spells the attention otherwise than the published files.
std::string published_name(std::string name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> spellings = {{
      {".attention.q_proj.", ".attention.attention.query."},
      {".attention.k_proj.", ".attention.attention.key."},
      {".attention.v_proj.", ".attention.attention.value."},
      {".attention.o_proj.", ".attention.output.dense."},
  }};
  for (const auto& [own, published] : spellings) {
    const auto at = name.find(own);
    if (at != std::string::npos) name.replace(at, own.size(), published);
  }
  return name;
}

std::vector<TensorSource> sources(const TensorFile& file) {
  if (file.format() == "onnx") return onnx_dinov2_sources(file);
  const auto prefix = before(file, "embeddings.patch_embeddings.projection.weight");
  if (!prefix) return {};
  auto sources = sources_below(file, *prefix, {"embeddings.", "encoder.", "layernorm."});
  // The mask token is for pre-training only.
  std::erase_if(sources, [](const auto& s) { return s.target == "embeddings.mask_token"; });
  for (auto& source : sources) source.target = published_name(source.target);
  return sources;
}

Dinov2Options geometry(const PublishedTower& part) {
  const auto& [shapes, config, crop_size] = part;
  const std::string layers = "encoder.layer.";
  Dinov2Options options;
  const auto& patch = shapes.of("embeddings.patch_embeddings.projection.weight", 4);
  options.width = patch[0];
  options.patch = patch[2];
  options.layers = shapes.count(layers);
  if (options.layers == 0) shapes.refuse("no tensor " + layers + "0");
  if (shapes.has(layers + "0.mlp.weights_in.weight"))
    shapes.refuse("the gated MLP of DINOv2's giant is not known here");
  if (shapes.has("embeddings.register_tokens"))
    shapes.refuse("a DINOv2 with register tokens is not known here");
  const auto& fc1 = shapes.of(layers + "0.mlp.fc1.weight", 2);
  if (fc1[0] % options.width != 0)
    shapes.refuse(str_cat("an MLP of ", fc1[0], " is no multiple of the width ", options.width));
  options.mlp_ratio = fc1[0] / options.width;
  const std::string positions = "embeddings.position_embeddings";
  options.position_grid = side_of(shapes, positions, shapes.of(positions, 3)[1] - 1);
  options.heads = heads_of(part, options.width);
  options.norm_eps = config.number("layer_norm_eps", options.norm_eps);
  config.expect("hidden_size", options.width);
  config.expect("patch_size", options.patch);
  config.expect("num_hidden_layers", options.layers);
  if (config.choice("hidden_act", Activation::kGelu) != Activation::kGelu) {
    throw CheckpointError(config.path.string(),
                          str_cat("hidden_act: \"", config.word("hidden_act", ""),
                                  "\", but a DINOv2 tower has \"gelu\""));
  }
  const auto image_size = crop_size > 0 ? crop_size : kImageSize;
  options.image_size = image_size / options.patch * options.patch;
  if (options.image_size == 0)
    shapes.refuse(str_cat("a patch of ", options.patch, " pixels, but images of ", image_size));
  return options;
}

constexpr VisionTowerRow row() {
  auto row = vision_tower_row<Dinov2Options, make_dinov2, sources, geometry>("dinov2", "dinov2",
                                                                             kPreprocess);
  row.in_every_config = true;
  return row;
}

}  // namespace

std::unique_ptr<VisionTower> make_dinov2(const Dinov2Options& options) {
  return std::make_unique<Dinov2>(options);
}

extern constinit const VisionTowerRow kDinov2Row = row();

}  // namespace medseg
