/// \file
/// A block of Hiera: attention in windows, of which the first of a stage halves the map.
#pragma once

#include <cstdint>
#include <memory>

#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"
#include "medseg/nn/norm.h"

namespace medseg {

/// Source: facebookresearch/sam2 `sam2/modeling/backbones/hieradet.py`, MultiScaleBlock.
/// Keys: norm1, attn.{qkv, proj}, norm2, mlp.layers.{0, 1}, and proj where the width changes.
class HieraBlock : public Module {
 public:
  struct Options {
    std::int64_t in = 0, out = 0;  ///< widths; where they differ, the block halves the map
    std::int64_t heads = 1;        ///< of `out`
    std::int64_t window = 0;  ///< side in cells of the input, even where the block halves; 0: all
  };
  explicit HieraBlock(const Options& options);

  /// [B, h, w, in] -> [B, h', w', out]; h and w are even where the block halves them.
  at::Tensor forward(const at::Tensor& map) const;

 private:
  bool halves() const { return options_.in != options_.out; }
  /// Each map of [n, h, w, in] by itself -> [n, h', w', out].
  at::Tensor attend(const at::Tensor& maps) const;
  at::Tensor attend_in_windows(const at::Tensor& map) const;

  Options options_;
  LayerNorm norm1_, norm2_;
  Linear qkv_, attention_out_, hidden_, mlp_out_;
  std::unique_ptr<Linear> shortcut_;
};

}  // namespace medseg
