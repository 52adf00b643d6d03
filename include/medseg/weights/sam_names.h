/// \file
/// The two namings of SAM's tensors: segment_anything's, which is ours (`image_encoder.…`), and
/// SamModel's of transformers (`vision_encoder.…`). One table serves both directions; the values
/// are the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/weights/name_map.h"

namespace medseg {

/// "vision_encoder.layers.3.attn.qkv.weight" -> "image_encoder.blocks.3.attn.qkv.weight"; nothing
/// for a name that SamModel does not have. The table covers the three-layer heads of every
/// published SAM.
std::optional<std::string> sam_name_from_hf(std::string_view name);

/// The other direction: one name; two for the positional matrix, which SamModel stores twice
/// (`shared_image_embedding.…` and `prompt_encoder.shared_embedding.…`); none for a name that SAM
/// does not have.
std::vector<std::string> hf_names_from_sam(std::string_view name);

/// True if the names with this `prefix` are SamModel's.
bool has_hf_sam_names(const TensorFile& file, const std::string& prefix = "");

/// Sources of a SAM model: every tensor whose name starts with `prefix`, under SAM's name,
/// whichever naming the file has. `prefix` is what another model adds, as "model.visual_model."
/// (LISA) or "model.grounding_encoder." (GLaMM). A `module.` in front of it, from training on
/// several GPUs, is removed. Other names stay unchanged, so that a report lists them as unused.
std::vector<TensorSource> sam_sources(const TensorFile& file, const std::string& prefix = "");

}  // namespace medseg
