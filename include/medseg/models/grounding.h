/// \file
/// The pixel-level grounding module: SAM's three parts (arXiv 2304.02643, section 3 and appendix A)
/// with the text prompt of LISA.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "medseg/models/grounding_encoder.h"
#include "medseg/models/grounding_options.h"
#include "medseg/nn/module.h"

namespace medseg {

struct MaskOutput {
  at::Tensor mask_logits;    ///< [K, 1, 4h, 4w] float32, of mask token 0
  at::Tensor predicted_iou;  ///< [K, 1] float32
};

/// What a user points at, as SAM takes it, for K masks: points, boxes and masks, any of them
/// together. An undefined tensor is a prompt that was not given; K is the first size of the others.
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

  /// `image_embedding` [1, C, h, w] of ONE image; `prompts` [K, C], one sparse token a mask, K may
  /// be 0. No padding point; dense part = no_mask_embed (src/README.md, choice 12).
  MaskOutput decode(const at::Tensor& image_embedding, const at::Tensor& prompts) const;

  /// Several images at once: `image_embeddings` [B, C, h, w], `prompts` [K, C], `image_of_prompt`
  /// [K] int64 on the CPU. Equal to decode() image by image. Embeddings pooled to a divisor of the
  /// grid are decoded on their coarser cells: [K, 1, 4g, 4g] for a grid of g.
  MaskOutput decode_batch(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                          const at::Tensor& image_of_prompt) const;

  /// SAM's own prompts. Points without a box are followed by a padding point, as in
  /// segment_anything.
  MaskOutput decode(const at::Tensor& image_embedding, const GroundingPrompt& prompt) const;
  /// Box prompt as SAM: `boxes` [K, 4] x0 y0 x1 y1 in model pixels.
  MaskOutput decode_boxes(const at::Tensor& image_embedding, const at::Tensor& boxes) const;
  /// Point prompts as SAM: `points` [K, P, 2] x y in model pixels, `labels` [K, P] 1 inside, 0
  /// outside, -1 none.
  MaskOutput decode_points(const at::Tensor& image_embedding, const at::Tensor& points,
                           const at::Tensor& labels) const;

 private:
  /// `prompts` [K, P, C] sparse tokens; without `image_of_prompt` all belong to the one image.
  /// `dense` [K, C, h, w] replaces no_mask_embed.
  MaskOutput decode_tokens(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                           const at::Tensor& image_of_prompt, const at::Tensor& dense) const;

  GroundingOptions options_;
  std::unique_ptr<GroundingEncoder> encoder_;
  std::unique_ptr<PromptEncoder> prompt_encoder_;
  std::unique_ptr<MaskDecoder> mask_decoder_;
};

/// Where an image lies in the square of G×G pixels that the encoder sees.
struct ModelFrame {
  std::int64_t size = 0;            ///< G
  std::int64_t resized_height = 0;  ///< part of the square that the image covers
  std::int64_t resized_width = 0;
  std::int64_t image_height = 0;  ///< H
  std::int64_t image_width = 0;   ///< W
};
/// Low-resolution logits to the image's own pixels (src/README.md, choice 14): bilinear to G×G,
/// crop to the resized (height, width), bilinear to (H, W); no antialiasing. [K, 1, g, g] -> [K, H,
/// W] float32.
at::Tensor upscale_masks(const at::Tensor& mask_logits, const ModelFrame& frame);

}  // namespace medseg
