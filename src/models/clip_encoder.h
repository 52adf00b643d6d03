/// \file
/// The layers that CLIP's and SigLIP's towers have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"
#include "medseg/nn/norm.h"
#include "vit_block.h"

namespace medseg {

struct ClipEncoderOptions {
  std::int64_t width, layers, heads, mlp_width;
  double norm_eps;
  Activation activation;
};

/// Keys: layers.i.{self_attn.{q,k,v,out}_proj,layer_norm1,layer_norm2,mlp.{fc1,fc2}}.
class ClipEncoder : public Module {
 public:
  explicit ClipEncoder(const ClipEncoderOptions& options);
  ~ClipEncoder() override;

  /// Hidden state `count`: `x` [B, T, D] through the first `count` layers.
  at::Tensor forward(at::Tensor x, std::int64_t count) const;
  void prepare_frozen();

 private:
  class Layer;
  std::vector<std::unique_ptr<Layer>> layers_;
};

/// How many layers give hidden state `select_layer` of `layers` + 1, negative from the end.
/// \throws ConfigError "`tower`.select_layer: …".
std::int64_t layers_to_run(std::int64_t select_layer, std::int64_t layers,
                           const std::string& tower);

/// \throws ConfigError "`tower`.heads: …" unless `heads` divides `width`, "`tower`.patch: …" unless one patch fits.
void check_vit(const std::string& tower, std::int64_t width, std::int64_t heads,
               std::int64_t image_size, std::int64_t patch);

}  // namespace medseg
