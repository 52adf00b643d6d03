#include "medseg/models/hiera.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "hiera_block.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/conv.h"
#include "medseg/nn/initialise.h"

namespace medseg {
namespace {

constexpr std::size_t kStages = 4;
constexpr std::int64_t kPatchStride = 4;
constexpr std::int64_t kCoarsest = kPatchStride << (kStages - 1);  // stride of the last stage

std::int64_t first_grid(const HieraOptions& o) { return o.image_size / kPatchStride; }

bool is_global(const HieraOptions& o, std::int64_t block) {
  return std::find(o.global_blocks.begin(), o.global_blocks.end(), block) != o.global_blocks.end();
}

void check_sizes(const HieraOptions& o) {
  if (o.depths.size() != kStages || o.windows.size() != kStages) {
    throw ConfigError(str_cat("hiera.depths and hiera.windows: ", kStages,
                              " numbers each are expected, got ", o.depths.size(), " and ",
                              o.windows.size()));
  }
  for (const auto number : o.depths) {
    if (number < 1) throw ConfigError(str_cat("hiera.depths: a stage of ", number, " blocks"));
  }
  for (const auto side : o.windows) {
    if (side < 1) throw ConfigError(str_cat("hiera.windows: a window of ", side, " cells"));
  }
  if (o.image_size % kCoarsest != 0) {
    throw ConfigError(
        str_cat("hiera.image_size: ", o.image_size, " is no multiple of ", kCoarsest));
  }
  if (o.width % o.heads != 0) {
    throw ConfigError(
        str_cat("hiera.heads: ", o.heads, " heads do not divide a width of ", o.width));
  }
  if (first_grid(o) % o.windows[0] != 0) {
    throw ConfigError(str_cat("hiera.windows: the first, ", o.windows[0],
                              ", does not divide a grid of ", first_grid(o)));
  }
  for (std::size_t i = 0; i + 1 < kStages; ++i) {
    if (o.windows[i] % 2 != 0) {
      throw ConfigError(str_cat("hiera.windows: ", o.windows[i],
                                " cells cannot be halved where stage ", i + 1, " begins"));
    }
  }
}

/// The original cannot pool queries over the whole map, so a block that halves it is never global.
void check_global_blocks(const HieraOptions& o) {
  std::int64_t blocks = 0;
  for (std::size_t i = 0; i < kStages; ++i) {
    if (i > 0 && is_global(o, blocks)) {
      throw ConfigError(str_cat("hiera.global_blocks: block ", blocks, " begins stage ", i,
                                " and attends in windows"));
    }
    blocks += o.depths[i];
  }
  for (const auto block : o.global_blocks) {
    if (block < 0 || block >= blocks)
      throw ConfigError(str_cat("hiera.global_blocks: no block ", block, " among ", blocks));
  }
}

class HieraWithNeck : public Hiera {
 public:
  HieraWithNeck(const HieraOptions& o, std::int64_t out_width)
      : options_(o), patches_(3, o.width, {.kernel = 7, .stride = kPatchStride, .padding = 3}) {
    register_parameter("trunk.pos_embed", background_,
                       constant_parameter({1, o.width, o.background_grid, o.background_grid}, 0.0));
    register_parameter("trunk.pos_embed_window", in_window_,
                       constant_parameter({1, o.width, o.windows[0], o.windows[0]}, 0.0));
    register_module("trunk.patch_embed.proj", patches_);
    auto width = o.width, heads = o.heads;
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      for (std::int64_t i = 0; i < o.depths[stage]; ++i) {
        const bool halves = stage > 0 && i == 0;
        const auto window = o.windows[halves ? stage - 1 : stage];
        if (halves) heads *= 2;
        const auto number = static_cast<std::int64_t>(blocks_.size());
        blocks_.push_back(std::make_unique<HieraBlock>(
            HieraBlock::Options{.in = width,
                                .out = halves ? 2 * width : width,
                                .heads = heads,
                                .window = is_global(o, number) ? 0 : window}));
        if (halves) width *= 2;
        register_module(str_cat("trunk.blocks.", number), *blocks_.back());
      }
    }
    for (std::size_t i = 0; i < kStages; ++i) {
      laterals_.push_back(std::make_unique<Conv2d>(width >> i, out_width, Conv2d::Options{}));
      register_module(str_cat("neck.convs.", i, ".conv"), *laterals_.back());
    }
  }

  ImagePyramid forward(const at::Tensor& pixels) const override {
    TORCH_CHECK(pixels.dim() == 4 && pixels.size(1) == 3 && pixels.size(2) == options_.image_size &&
                    pixels.size(3) == options_.image_size,
                "Hiera: pixels [B, 3, ", options_.image_size, ", ", options_.image_size,
                "] are expected, got ", pixels.sizes());
    auto x = patches_.forward(pixels).permute({0, 2, 3, 1}) + positions();  // [B, h, w, D]
    std::vector<at::Tensor> levels;  // from fine to coarse, [B, C, h, w]
    std::size_t block = 0;
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      for (std::int64_t i = 0; i < options_.depths[stage]; ++i) x = blocks_[block++]->forward(x);
      levels.push_back(laterals_[kStages - 1 - stage]->forward(x.permute({0, 3, 1, 2})));
    }
    // Only the stride-16 level gets what lies above it; the finer ones stay as they are.
    const auto above = at::upsample_nearest2d(levels[3], levels[2].sizes().slice(2));
    return {levels[0], levels[1], levels[2] + above};
  }

 private:
  at::Tensor positions() const {  // [1, h, w, D]
    const auto grid = first_grid(options_), tiles = grid / options_.windows[0];
    return (at::upsample_bicubic2d(background_, at::IntArrayRef{grid, grid},
                                   /*align_corners=*/false) +
            in_window_.repeat({1, 1, tiles, tiles}))
        .permute({0, 2, 3, 1});
  }

  HieraOptions options_;
  at::Tensor background_, in_window_;
  Conv2d patches_;
  std::vector<std::unique_ptr<HieraBlock>> blocks_;
  std::vector<std::unique_ptr<Conv2d>> laterals_;  // from coarse to fine
};

}  // namespace

std::unique_ptr<Hiera> make_hiera(const HieraOptions& options, std::int64_t out_width) {
  check_sizes(options);
  check_global_blocks(options);
  return std::make_unique<HieraWithNeck>(options, out_width);
}

}  // namespace medseg
