/// \file
/// Names of the parts of a Segmenter, as its parameters and a bundle's tensors begin. They are
/// those of the published LLaVA, LISA and GLaMM checkpoints.
#pragma once

#include <string>
#include <string_view>

namespace medseg::part {

inline constexpr const char* kLanguageModel = "model.";
inline constexpr const char* kLanguageLayers = "model.layers.";
inline constexpr const char* kEmbedding = "model.embed_tokens.weight";
inline constexpr const char* kHead = "lm_head.weight";
inline constexpr const char* kVisionTower = "model.vision_tower.vision_tower.";
inline constexpr const char* kProjector = "model.mm_projector.";
inline constexpr const char* kSegmentationHead = "model.text_hidden_fcs.0.";
inline constexpr const char* kGrounding = "model.grounding_encoder.";
inline constexpr const char* kGroundingEncoder = "model.grounding_encoder.image_encoder.";

// Below kGrounding, as segment_anything names them.
inline constexpr const char* kImageEncoder = "image_encoder.";
inline constexpr const char* kPromptEncoder = "prompt_encoder.";
inline constexpr const char* kMaskDecoder = "mask_decoder.";

/// The embedding or the head: a matrix with a row for each token.
inline bool is_token_matrix(std::string_view name) { return name == kEmbedding || name == kHead; }

/// "model.mm_projector" of kProjector.
inline std::string module_name(std::string_view prefix) {
  return std::string(prefix.substr(0, prefix.size() - 1));
}

}  // namespace medseg::part
