/// \file
/// The pixel-level grounding module: SAM's three parts (arXiv 2304.02643, section 3 and appendix A) with the text prompt of LISA.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/sam_vit.h"
#include "medseg/nn/module.h"

namespace medseg {

struct TinyVitOptions {  ///< TinyViT (arXiv 2207.10666), the encoder of LiteMedSAM and MobileSAM
  std::int64_t image_size = 256;
  std::int64_t patch_stride =
      1;  ///< of the two first convolutions: 1 is LiteMedSAM's (1×1, a cell is 4 pixels),
          ///< 2 MobileSAM's (3×3, a cell is 16 pixels)
  std::vector<std::int64_t> widths = {64, 128, 160, 320};
  std::vector<std::int64_t> depths = {2, 2, 6, 2};
  std::vector<std::int64_t> heads = {2, 4, 5, 10};
  std::vector<std::int64_t> windows = {7, 7, 14, 7};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(32));
    visit("patch_stride", self.patch_stride, in_range(1, 2));
    visit("widths", self.widths);
    visit("depths", self.depths);
    visit("heads", self.heads);
    visit("windows", self.windows);
  }
};

struct GroundingOptions {
  std::string encoder = "tiny_vit";  ///< "tiny_vit" | "sam_vit"; "" is a language-only model
  TinyVitOptions tiny_vit;
  SamVitOptions sam_vit;
  std::int64_t width = 256;  ///< C, prompt width
  std::int64_t decoder_depth = 2;
  std::int64_t decoder_heads = 8;
  std::int64_t decoder_mlp = 2048;
  std::int64_t num_masks = 4;       ///< mask tokens; token 0 answers a [SEG]
  std::int64_t mask_channels = 16;  ///< of the mask prompt's embedding

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("encoder", self.encoder);
    visit("tiny_vit", self.tiny_vit);
    visit("sam_vit", self.sam_vit);
    visit("width", self.width, at_least(8));
    visit("decoder_depth", self.decoder_depth, at_least(1));
    visit("decoder_heads", self.decoder_heads, at_least(1));
    visit("decoder_mlp", self.decoder_mlp, at_least(1));
    visit("num_masks", self.num_masks, at_least(1));
    visit("mask_channels", self.mask_channels, at_least(4));
  }
};

/// Picture to feature grid.
class GroundingEncoder : public Module {
 public:
  virtual at::Tensor forward(const at::Tensor& pixels) const = 0;  ///< [B, 3, G, G] -> [B, C, h, w]
  virtual std::int64_t image_size() const = 0;                     ///< G
  virtual std::int64_t grid() const = 0;                           ///< h = w
  /// Folds batch norms into convolutions and picks memory layouts for inference; the tensors of named_parameters()
  /// stay what they are. Called once after loading when the encoder is frozen. May do nothing.
  virtual void prepare_frozen() {}
};
std::unique_ptr<GroundingEncoder> make_tiny_vit(const TinyVitOptions& options,
                                                std::int64_t out_width);

struct MaskOutput {
  at::Tensor mask_logits;    ///< [K, 1, 4h, 4w] float32, of mask token 0
  at::Tensor predicted_iou;  ///< [K, 1] float32
};

/// What a user points at, as SAM takes it: any of the three together, for K masks. What is left undefined is not there;
/// K is the first size of all that is.
struct GroundingPrompt {
  at::Tensor points = {};  ///< [K, P, 2] float, x y in model pixels
  at::Tensor labels = {};  ///< [K, P], of the points: 1 inside, 0 outside, -1 no point
  at::Tensor boxes = {};   ///< [K, 4] float, x0 y0 x1 y1 in model pixels
  at::Tensor masks = {};   ///< [K, 1, 4h, 4w] float, logits of an earlier answer
};

class PromptEncoder;
class MaskDecoder;

/// Keys: image_encoder.*, prompt_encoder.*, mask_decoder.* exactly as SAM publishes them.
class Grounding : public Module {
 public:
  explicit Grounding(const GroundingOptions& options);
  ~Grounding() override;

  const GroundingOptions& options() const { return options_; }
  GroundingEncoder& encoder() const { return *encoder_; }

  /// `image_embedding` [1, C, h, w] of ONE picture; `prompts` [K, C], one sparse token a mask, K may be 0.
  /// No padding point; dense part = no_mask_embed (semantics 12).
  MaskOutput decode(const at::Tensor& image_embedding, const at::Tensor& prompts) const;

  /// Several pictures at once: `image_embeddings` [B, C, h, w], `prompts` [K, C], `image_of_prompt` [K] int64 on the CPU.
  /// Equal to decode() picture by picture. Embeddings pooled to a divisor of the grid are decoded on their coarser cells:
  /// [K, 1, 4g, 4g] for a grid of g.
  MaskOutput decode_batch(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                          const at::Tensor& image_of_prompt) const;

  /// SAM's own prompts. Points without a box are followed by a padding point, as in segment_anything.
  MaskOutput decode(const at::Tensor& image_embedding, const GroundingPrompt& prompt) const;
  /// Box prompt as SAM: `boxes` [K, 4] x0 y0 x1 y1 in model pixels.
  MaskOutput decode_boxes(const at::Tensor& image_embedding, const at::Tensor& boxes) const;
  /// Point prompts as SAM: `points` [K, P, 2] x y in model pixels, `labels` [K, P] 1 inside, 0 outside, -1 none.
  MaskOutput decode_points(const at::Tensor& image_embedding, const at::Tensor& points,
                           const at::Tensor& labels) const;

 private:
  /// `prompts` [K, P, C] sparse tokens; without `image_of_prompt` all belong to the one picture. `dense` [K, C, h, w] stands
  /// in for no_mask_embed.
  MaskOutput decode_tokens(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                           const at::Tensor& image_of_prompt, const at::Tensor& dense) const;

  GroundingOptions options_;
  std::unique_ptr<GroundingEncoder> encoder_;
  std::unique_ptr<PromptEncoder> prompt_encoder_;
  std::unique_ptr<MaskDecoder> mask_decoder_;
};

/// Low-resolution logits to the picture's own pixels (semantics 14): bilinear to G×G, crop to the resized
/// (height, width), bilinear to (H, W); no antialiasing. [K, 1, g, g] -> [K, H, W] float32.
struct ModelFrame {
  std::int64_t size = 0;            ///< G
  std::int64_t resized_height = 0;  ///< part of the model frame that the picture covers
  std::int64_t resized_width = 0;
  std::int64_t image_height = 0;  ///< H
  std::int64_t image_width = 0;   ///< W
};
at::Tensor upscale_masks(const at::Tensor& mask_logits, const ModelFrame& frame);

}  // namespace medseg
