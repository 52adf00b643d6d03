/// \file
/// config.json and its neighbours as transformers, LISA and GLaMM expect them.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/bundle/bundle.h"
#include "medseg/exchange/model_export.h"
#include "medseg/text/tokenizer.h"

namespace medseg {

/// transformers' LlamaConfig, MistralConfig or Qwen2Config, whichever the options are.
nlohmann::json language_config(const LlamaOptions& options, const Tokenizer& tokenizer);
/// transformers' CLIPVisionConfig. \pre a CLIP tower.
nlohmann::json clip_config(const VisionOptions& options);
/// transformers' SamConfig. \pre SAM's ViT.
nlohmann::json sam_config(const GroundingOptions& options);
/// LISA's or GLaMM's config.json: LLaVA's keys on top of the language model's.
nlohmann::json segmenter_config(const BundleOptions& options, const Tokenizer& tokenizer,
                                ExportLayout layout);
/// transformers' LlavaConfig; `image_token` is the id of the token that stands for a patch.
nlohmann::json llava_config(const BundleOptions& options, const Tokenizer& tokenizer,
                            std::int64_t image_token, std::int64_t image_tokens);
/// preprocessor_config.json of the tower's images.
nlohmann::json image_config(const BundleOptions& options);

/// Adds tokenizer_config.json with the class, the roles and the added tokens, which transformers
/// needs, to a folder that `tokenizer` was saved into.
void write_tokenizer_config(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                            const std::string& mode);

}  // namespace medseg
