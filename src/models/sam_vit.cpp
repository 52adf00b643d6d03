#include "medseg/models/sam_vit.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding_options.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/grid_attention.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/layer_norm_2d.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {
namespace {

constexpr double kNormEps = 1e-6;  // of every norm in this encoder

/// Rows of `stored` [r, d] for all pairs of positions on a line of `side`: [side (query), side
/// (key), d].
at::Tensor for_pairs(const at::Tensor& stored, std::int64_t side) {
  const auto distances = 2 * side - 1;
  auto rows = stored;
  if (stored.size(0) != distances) {
    rows = at::upsample_linear1d(stored.t().unsqueeze(0), at::IntArrayRef{distances},
                                 /*align_corners=*/false)
               .squeeze(0)
               .t();
  }
  const auto position = at::arange(side, stored.options().dtype(at::kLong));
  const auto distance = position.unsqueeze(1) - position + (side - 1);
  return rows.index_select(0, distance.flatten()).view({side, side, stored.size(1)});
}

/// Keys: qkv.*, proj.*, rel_pos_h, rel_pos_w.
class Attention : public Module {
 public:
  Attention(std::int64_t width, std::int64_t heads, std::int64_t side)
      : heads_(heads), qkv_(width, 3 * width), projection_(width, width) {
    register_parameter("rel_pos_h", rows_, constant_parameter({2 * side - 1, width / heads}, 0.0));
    register_parameter("rel_pos_w", columns_,
                       constant_parameter({2 * side - 1, width / heads}, 0.0));
    register_module("qkv", qkv_);
    register_module("proj", projection_);
  }

  at::Tensor forward(const at::Tensor& map) const {  // [n, h, w, D]
    const auto count = map.size(0), height = map.size(1), width = map.size(2);
    const auto parts = qkv_.forward(map)
                           .view({count, height * width, 3, heads_, -1})
                           .permute({2, 0, 3, 1, 4})
                           .reshape({3, count * heads_, height * width, -1});
    // A query meets the distance to each row and to each column of the keys, unscaled.
    const auto placed = parts[0].view({count * heads_, height, width, -1});
    const auto dtype = placed.scalar_type();
    const auto row_bias =
        at::einsum("nhwc,hkc->nhwk", {placed, for_pairs(rows_, height).to(dtype)});
    const auto column_bias =
        at::einsum("nhwc,wkc->nhwk", {placed, for_pairs(columns_, width).to(dtype)});
    const auto mixed = grid_attention(parts[0], parts[1], parts[2], row_bias.flatten(1, 2),
                                      column_bias.flatten(1, 2));
    return projection_.forward(mixed.view({count, heads_, height, width, -1})
                                   .permute({0, 2, 3, 1, 4})
                                   .reshape(map.sizes()));
  }

 private:
  std::int64_t heads_;
  at::Tensor rows_, columns_;  // [2·side - 1, D / heads]
  Linear qkv_, projection_;
};

/// x + attention(norm1 x) in windows or over the whole map, then + mlp(norm2 x).
class Block : public Module {
 public:
  Block(const SamVitOptions& o, bool global)
      : window_(global ? 0 : o.window),
        norm1_(o.width, kNormEps),
        norm2_(o.width, kNormEps),
        attention_(o.width, o.heads, global ? o.position_grid : o.window),
        lin1_(o.width, o.mlp_width),
        lin2_(o.mlp_width, o.width) {
    register_module("norm1", norm1_);
    register_module("attn", attention_);
    register_module("norm2", norm2_);
    register_module("mlp.lin1", lin1_);
    register_module("mlp.lin2", lin2_);
  }

  at::Tensor forward(const at::Tensor& map) const {  // [B, h, w, D]
    const auto normal = norm1_.forward(map);
    const auto x = map + (window_ == 0 ? attention_.forward(normal) : in_windows(normal));
    return x + lin2_.forward(at::gelu(lin1_.forward(norm2_.forward(x))));
  }

 private:
  /// Cells that pad the map are zeros behind the norm and take part in the attention.
  at::Tensor in_windows(const at::Tensor& map) const {
    const auto batch = map.size(0), height = map.size(1), width = map.size(2), depth = map.size(3);
    const auto down = (height + window_ - 1) / window_, across = (width + window_ - 1) / window_;
    const auto padded =
        at::constant_pad_nd(map, {0, 0, 0, across * window_ - width, 0, down * window_ - height});
    const auto windows = padded.view({batch, down, window_, across, window_, depth})
                             .transpose(2, 3)
                             .reshape({-1, window_, window_, depth});
    return attention_.forward(windows)
        .view({batch, down, across, window_, window_, depth})
        .transpose(2, 3)
        .reshape(padded.sizes())
        .narrow(1, 0, height)
        .narrow(2, 0, width);
  }

  std::int64_t window_;  // 0: the whole map
  LayerNorm norm1_, norm2_;
  Attention attention_;
  Linear lin1_, lin2_;
};

void check(const SamVitOptions& o) {
  if (o.image_size % o.patch != 0) {
    throw ConfigError(str_cat("sam_vit.image_size: ", o.image_size,
                              " is no multiple of the patch size ", o.patch));
  }
  if (o.width % o.heads != 0)
    throw ConfigError(
        str_cat("sam_vit.heads: ", o.heads, " heads do not divide a width of ", o.width));
  for (const auto block : o.global_blocks) {
    if (block < 0 || block >= o.depth)
      throw ConfigError(str_cat("sam_vit.global_blocks: no block ", block, " among ", o.depth));
  }
}

class SamVit : public GroundingEncoder {
 public:
  SamVit(const SamVitOptions& o, std::int64_t out_width)
      : options_(o),
        patches_(3, o.width, {.kernel = o.patch, .stride = o.patch}),
        neck0_(o.width, out_width, {.bias = false}),
        neck2_(out_width, out_width, {.kernel = 3, .padding = 1, .bias = false}),
        neck1_(out_width, kNormEps),
        neck3_(out_width, kNormEps) {
    register_parameter("pos_embed", positions_,
                       constant_parameter({1, o.position_grid, o.position_grid, o.width}, 0.0));
    register_module("patch_embed.proj", patches_);
    for (std::int64_t i = 0; i < o.depth; ++i) {
      const auto& globals = o.global_blocks;
      const bool global = std::find(globals.begin(), globals.end(), i) != globals.end();
      blocks_.push_back(std::make_unique<Block>(o, global));
      register_module(str_cat("blocks.", i), *blocks_.back());
    }
    register_module("neck.0", neck0_);
    register_module("neck.1", neck1_);
    register_module("neck.2", neck2_);
    register_module("neck.3", neck3_);
  }

  at::Tensor forward(const at::Tensor& pixels) const override {
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(1) == 3 && pixels.size(2) == options_.image_size &&
                    pixels.size(3) == options_.image_size,
                "SamVit: pixels [B, 3, ", options_.image_size, ", ", options_.image_size,
                "] are expected, got ", pixels.sizes());
    auto x = patches(pixels) + positions();  // [B, h, w, D]
    for (const auto& block : blocks_) x = block->forward(x);
    x = neck2_.forward(neck1_.forward(neck0_.forward(x.permute({0, 3, 1, 2}))));
    return neck3_.forward(x);
  }

  std::int64_t image_size() const override { return options_.image_size; }
  std::int64_t grid() const override { return options_.image_size / options_.patch; }

 private:
  /// The convolution whose patches do not overlap, as a matrix product: torch's convolution takes a
  /// gigabyte for it in bf16.
  at::Tensor patches(const at::Tensor& pixels) const {  // [B, h, w, D]
    const auto batch = pixels.size(0), patch = options_.patch;
    const auto rows = pixels.reshape({batch, 3, grid(), patch, grid(), patch})
                          .permute({0, 2, 4, 1, 3, 5})
                          .reshape({batch, grid(), grid(), 3 * patch * patch});
    return at::linear(rows, patches_.weight.flatten(1), patches_.bias);
  }

  at::Tensor positions() const {  // [1, h, w, D]
    if (options_.position_grid == grid()) return positions_;
    return at::upsample_bilinear2d(positions_.permute({0, 3, 1, 2}),
                                   at::IntArrayRef{grid(), grid()}, /*align_corners=*/false)
        .permute({0, 2, 3, 1});
  }

  SamVitOptions options_;
  at::Tensor positions_;  // [1, position_grid, position_grid, D]
  Conv2d patches_;
  std::vector<std::unique_ptr<Block>> blocks_;
  Conv2d neck0_, neck2_;
  LayerNorm2d neck1_, neck3_;
};

bool is_in(const NamedShapes& shapes) {
  return shapes.has("image_encoder.patch_embed.proj.weight");
}

/// Side of a grid whose relative positions have this many rows; 0 if there is none.
std::int64_t grid_side_of(std::int64_t rows) { return rows % 2 == 1 ? (rows + 1) / 2 : 0; }

SamVitOptions geometry(const NamedShapes& shapes) {
  SamVitOptions options;
  const auto& patches = shapes.of("image_encoder.patch_embed.proj.weight", 4);
  const auto& positions = shapes.of("image_encoder.pos_embed", 4);
  options.width = positions[3];
  options.position_grid = positions[1];
  options.patch = patches[2];
  options.image_size = options.position_grid * options.patch;
  options.depth = shapes.count("image_encoder.blocks.");
  if (options.depth == 0) shapes.refuse("no tensor image_encoder.blocks.0.norm1.weight");
  options.mlp_width = shapes.of("image_encoder.blocks.0.mlp.lin1.weight", 2)[0];
  const auto head = shapes.of("image_encoder.blocks.0.attn.rel_pos_h", 2)[1];
  if (options.width % head != 0) {
    shapes.refuse(str_cat("image_encoder.blocks.0.attn.rel_pos_h: heads of ", head,
                          " columns do not divide a width of ", options.width));
  }
  options.heads = options.width / head;
  options.global_blocks.clear();
  std::int64_t window = 0;
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const auto name = str_cat("image_encoder.blocks.", i, ".attn.rel_pos_h");
    const auto rows = shapes.of(name, 2)[0];
    const auto side = grid_side_of(rows);
    if (side == 0 || side > options.position_grid) {
      shapes.refuse(str_cat(name, ": ", rows, " rows belong to no window of a grid of ",
                            options.position_grid));
    }
    if (side == options.position_grid) {
      options.global_blocks.push_back(i);
    } else if (window == 0 || window == side) {
      window = side;
    } else {
      shapes.refuse(str_cat(name, ": a window of ", side, ", but earlier blocks have ", window));
    }
  }
  options.window = window == 0 ? options.position_grid : window;
  return options;
}

constexpr GroundingEncoderRow row() {
  auto row = grounding_encoder_row<SamVitOptions, make_sam_vit, is_in, geometry>("sam_vit");
  row.in_every_config = true;
  return row;
}

}  // namespace

std::unique_ptr<GroundingEncoder> make_sam_vit(const SamVitOptions& options,
                                               std::int64_t out_width) {
  check(options);
  return std::make_unique<SamVit>(options, out_width);
}

extern constinit const GroundingEncoderRow kSamVitRow = row();

}  // namespace medseg
