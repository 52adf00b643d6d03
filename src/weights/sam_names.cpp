#include "medseg/weights/sam_names.h"

#include <algorithm>
#include <cctype>

namespace medseg {
namespace {

/// Prefixes of names that mean the same; `#` stands for a number. The first match counts, so longer
/// prefixes come first.
struct Renaming {
  std::string_view sam, hf;
};

constexpr Renaming kRenamings[] = {
    {"image_encoder.pos_embed", "vision_encoder.pos_embed"},
    {"image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."},
    {"image_encoder.blocks.#.norm1.", "vision_encoder.layers.#.layer_norm1."},
    {"image_encoder.blocks.#.norm2.", "vision_encoder.layers.#.layer_norm2."},
    {"image_encoder.blocks.#.attn.", "vision_encoder.layers.#.attn."},
    {"image_encoder.blocks.#.mlp.", "vision_encoder.layers.#.mlp."},
    {"image_encoder.neck.0.", "vision_encoder.neck.conv1."},
    {"image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."},
    {"image_encoder.neck.2.", "vision_encoder.neck.conv2."},
    {"image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."},

    {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
     "shared_image_embedding.positional_embedding"},
    {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
     "prompt_encoder.shared_embedding.positional_embedding"},
    {"prompt_encoder.point_embeddings.#.", "prompt_encoder.point_embed.#."},
    {"prompt_encoder.not_a_point_embed.", "prompt_encoder.not_a_point_embed."},
    {"prompt_encoder.no_mask_embed.", "prompt_encoder.no_mask_embed."},
    {"prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."},
    {"prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."},
    {"prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."},
    {"prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."},
    {"prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."},

    {"mask_decoder.transformer.layers.#.norm1.", "mask_decoder.transformer.layers.#.layer_norm1."},
    {"mask_decoder.transformer.layers.#.norm2.", "mask_decoder.transformer.layers.#.layer_norm2."},
    {"mask_decoder.transformer.layers.#.norm3.", "mask_decoder.transformer.layers.#.layer_norm3."},
    {"mask_decoder.transformer.layers.#.norm4.", "mask_decoder.transformer.layers.#.layer_norm4."},
    {"mask_decoder.transformer.layers.#.self_attn.",
     "mask_decoder.transformer.layers.#.self_attn."},
    {"mask_decoder.transformer.layers.#.cross_attn_token_to_image.",
     "mask_decoder.transformer.layers.#.cross_attn_token_to_image."},
    {"mask_decoder.transformer.layers.#.cross_attn_image_to_token.",
     "mask_decoder.transformer.layers.#.cross_attn_image_to_token."},
    {"mask_decoder.transformer.layers.#.mlp.", "mask_decoder.transformer.layers.#.mlp."},
    {"mask_decoder.transformer.final_attn_token_to_image.",
     "mask_decoder.transformer.final_attn_token_to_image."},
    {"mask_decoder.transformer.norm_final_attn.",
     "mask_decoder.transformer.layer_norm_final_attn."},
    {"mask_decoder.iou_token.", "mask_decoder.iou_token."},
    {"mask_decoder.mask_tokens.", "mask_decoder.mask_tokens."},
    {"mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."},
    {"mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."},
    {"mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.0.",
     "mask_decoder.output_hypernetworks_mlps.#.proj_in."},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.1.",
     "mask_decoder.output_hypernetworks_mlps.#.layers.0."},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.2.",
     "mask_decoder.output_hypernetworks_mlps.#.proj_out."},
    {"mask_decoder.iou_prediction_head.layers.0.", "mask_decoder.iou_prediction_head.proj_in."},
    {"mask_decoder.iou_prediction_head.layers.1.", "mask_decoder.iou_prediction_head.layers.0."},
    {"mask_decoder.iou_prediction_head.layers.2.", "mask_decoder.iou_prediction_head.proj_out."},
};

constexpr std::string_view kSeveralGpus = "module.";

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

/// `name` with its prefix `from` replaced by `to`; nothing if it has another prefix. A pattern that
/// does not end in a dot must match the whole name.
std::optional<std::string> renamed(std::string_view name, std::string_view from,
                                   std::string_view to) {
  std::size_t at = 0;
  std::string_view number;
  for (const char c : from) {
    if (c != '#') {
      if (at == name.size() || name[at] != c) return std::nullopt;
      ++at;
      continue;
    }
    const auto first = at;
    while (at < name.size() && is_digit(name[at])) ++at;
    if (at == first) return std::nullopt;
    number = name.substr(first, at - first);
  }
  if ((from.back() == '.') == (at == name.size())) return std::nullopt;
  std::string result;
  for (const char c : to) {
    if (c == '#') {
      result += number;
    } else {
      result += c;
    }
  }
  return result.append(name.substr(at));
}

std::string_view without(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

}  // namespace

std::optional<std::string> sam_name_from_hf(std::string_view name) {
  for (const auto& [sam, hf] : kRenamings) {
    if (auto found = renamed(name, hf, sam)) return found;
  }
  return std::nullopt;
}

std::vector<std::string> hf_names_from_sam(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [sam, hf] : kRenamings) {
    if (auto found = renamed(name, sam, hf)) names.push_back(std::move(*found));
  }
  return names;
}

bool has_hf_sam_names(const TensorFile& file, const std::string& prefix) {
  const auto& all = file.tensors();
  return std::any_of(all.begin(), all.end(), [&](const TensorInfo& info) {
    return without(info.name, kSeveralGpus).starts_with(prefix + "vision_encoder.");
  });
}

std::vector<TensorSource> sam_sources(const TensorFile& file, const std::string& prefix) {
  const bool hf = has_hf_sam_names(file, prefix);
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    const auto whole = without(info.name, kSeveralGpus);
    if (!whole.starts_with(prefix)) continue;
    const auto inner = whole.substr(prefix.size());
    auto target = hf ? sam_name_from_hf(inner).value_or(std::string(inner)) : std::string(inner);
    sources.push_back({std::move(target), info.name, {}});
  }
  return sources;
}

}  // namespace medseg
