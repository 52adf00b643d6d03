#include "medseg/models/grounding.h"

#include <ATen/ATen.h>

#include "mask_decoder.h"
#include "medseg/base/error.h"
#include "medseg/nn/autocast.h"
#include "prompt_encoder.h"

namespace medseg {
namespace {

std::unique_ptr<GroundingEncoder> make_encoder(const GroundingOptions& options) {
  return options.encoder.row()->make(options.encoder.options(), options.width);
}

/// [B, C, h, w] -> [B, h·w, C] in `dtype`.
at::Tensor cells_of(const at::Tensor& maps, at::ScalarType dtype) {
  const auto cells = maps.flatten(2).transpose(1, 2);
  if (cells.is_contiguous() || maps.requires_grad()) return cells.to(dtype).contiguous();
  // One matrix at a time: for these ATen has a transposing copy in blocks, three times as fast as
  // its general one.
  auto out = at::empty(cells.sizes(), maps.options().dtype(dtype));
  const auto source = maps.to(dtype).flatten(2);
  for (std::int64_t i = 0; i < maps.size(0); ++i) out.select(0, i).copy_(source.select(0, i).t());
  return out;
}

void check_one(const at::Tensor& image_embedding) {
  TORCH_CHECK(image_embedding.size(0) == 1, "Grounding: one image is expected, got ",
              image_embedding.size(0));
}

}  // namespace

Grounding::Grounding(const GroundingOptions& options)
    : options_(options),
      encoder_(make_encoder(options)),
      prompt_encoder_(std::make_unique<PromptEncoder>(options.width, encoder_->image_size(),
                                                      options.mask_channels)),
      mask_decoder_(std::make_unique<MaskDecoder>(options)) {
  register_module("image_encoder", *encoder_);
  register_module("prompt_encoder", *prompt_encoder_);
  register_module("mask_decoder", *mask_decoder_);
}
Grounding::~Grounding() = default;

MaskOutput Grounding::decode_tokens(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                                    const at::Tensor& image_of_prompt,
                                    const at::Tensor& dense) const {
  TORCH_CHECK(image_embeddings.dim() == 4 && image_embeddings.size(1) == options_.width &&
                  image_embeddings.size(2) == image_embeddings.size(3) &&
                  encoder_->grid() % image_embeddings.size(2) == 0,
              "Grounding: image embeddings [B, ", options_.width, ", ", encoder_->grid(), ", ",
              encoder_->grid(), "] or pooled are expected, got ", image_embeddings.sizes());
  const auto grid = image_embeddings.size(2);
  const auto masks = prompts.size(0);
  if (masks == 0) {
    const auto empty = prompts.options().dtype(at::kFloat);
    return {at::zeros({0, 1, 4 * grid, 4 * grid}, empty), at::zeros({0, 1}, empty)};
  }
  const auto embeddings = image_embeddings.to(prompts.device());
  const auto dtype = compute_dtype(embeddings);
  auto cells = cells_of(embeddings, dtype);  // [B, L, C]
  if (dense.defined()) {
    cells = cells + cells_of(dense, dtype);  // [K, L, C]: there is one image
    return mask_decoder_->forward(cells, prompt_encoder_->grid_positions(dtype, grid), prompts);
  }
  cells = cells + prompt_encoder_->no_mask().to(dtype);
  if (image_of_prompt.defined()) {
    cells = cells.index_select(0, image_of_prompt.to(cells.device()));  // [K, L, C]
  } else if (masks > 1) {
    // Batched products want an image of their own each.
    cells = cells.expand({masks, -1, -1}).contiguous();
  }
  return mask_decoder_->forward(cells, prompt_encoder_->grid_positions(dtype, grid), prompts);
}

MaskOutput Grounding::decode(const at::Tensor& image_embedding, const at::Tensor& prompts) const {
  check_one(image_embedding);
  return decode_tokens(image_embedding, prompts.unsqueeze(1), {}, {});
}

MaskOutput Grounding::decode_batch(const at::Tensor& image_embeddings, const at::Tensor& prompts,
                                   const at::Tensor& image_of_prompt) const {
  TORCH_CHECK(image_of_prompt.dim() == 1 && image_of_prompt.size(0) == prompts.size(0),
              "Grounding: ", prompts.size(0), " prompts, but images for ", image_of_prompt.sizes());
  return decode_tokens(image_embeddings, prompts.unsqueeze(1), image_of_prompt, {});
}

MaskOutput Grounding::decode(const at::Tensor& image_embedding,
                             const GroundingPrompt& prompt) const {
  check_one(image_embedding);
  std::vector<at::Tensor> tokens;  // [K, P, C] each: points, then the box
  if (prompt.points.defined()) {
    tokens.push_back(prompt_encoder_->embed_points(prompt.points, prompt.labels,
                                                   /*pad=*/!prompt.boxes.defined()));
  }
  if (prompt.boxes.defined()) tokens.push_back(prompt_encoder_->embed_boxes(prompt.boxes));
  if (!prompt.masks.defined()) {
    TORCH_CHECK(!tokens.empty(), "Grounding: a prompt without points, boxes and masks");
    return decode_tokens(image_embedding, at::cat(tokens, 1), {}, {});
  }
  const auto side = 4 * encoder_->grid();
  TORCH_CHECK(prompt.masks.dim() == 4 && prompt.masks.size(1) == 1 &&
                  prompt.masks.size(2) == side && prompt.masks.size(3) == side,
              "Grounding: mask prompts [K, 1, ", side, ", ", side, "] are expected, got ",
              prompt.masks.sizes());
  if (tokens.empty()) {
    tokens.push_back(
        at::zeros({prompt.masks.size(0), 0, options_.width},
                  image_embedding.options().device(prompt_encoder_->no_mask().device())));
  }
  return decode_tokens(image_embedding, at::cat(tokens, 1), {},
                       prompt_encoder_->embed_masks(prompt.masks));
}

MaskOutput Grounding::decode_boxes(const at::Tensor& image_embedding,
                                   const at::Tensor& boxes) const {
  return decode(image_embedding, GroundingPrompt{.boxes = boxes});
}

MaskOutput Grounding::decode_points(const at::Tensor& image_embedding, const at::Tensor& points,
                                    const at::Tensor& labels) const {
  return decode(image_embedding, GroundingPrompt{.points = points, .labels = labels});
}

}  // namespace medseg
