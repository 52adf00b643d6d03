/// \file
/// Published parts put together into a bundle (`medseg model import parts`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace medseg {

struct ImportRequest {
  std::filesystem::path
      language;  ///< GGUF or Hugging Face folder of a LLaMA, Mistral, Qwen2 or SmolLM2
  std::filesystem::path
      vision;  ///< CLIP, SigLIP or DINOv2 (open_vision.h); empty: a model without eyes
  std::filesystem::path
      grounding;  ///< what open_grounding takes; empty: a language-only bundle, no token is added
  std::string grounding_preprocess = "sam";
  std::string vision_preprocess;  ///< pad | crop | square; empty: square for SigLIP, else pad
  std::string projector = "mlp2x_gelu";  ///< linear | mlp2x_gelu
  std::int64_t merge = 1;                ///< side of the patch block that becomes one token
  std::string dtype = "fp32";  ///< fp32 | bf16: of the language model's matrices in the bundle
  std::string
      conversation;        ///< empty: chatml where the tokenizer knows <|im_start|>, else llava_v1
  std::uint64_t seed = 0;  ///< of what is initialised
  std::string command;     ///< for the bundle's provenance
};

struct ImportReport {
  std::size_t loaded = 0;  ///< tensors that came from files
  std::vector<std::string>
      initialised;                  ///< what did not: names of tensors, rows as "name[first:end]"
  std::vector<std::string> unused;  ///< tensors of the files that the model has no place for
};

/// Writes `out` whole or not at all. New tokens `[SEG]`, `<p>`, `</p>` are appended in this order where they are missing;
/// their rows start at the mean of the old rows with a little noise, so that none is louder than a word.
/// \throws CheckpointError when a part is unreadable, incomplete or of another architecture; ConfigError on a bad option.
ImportReport import_parts(const ImportRequest& request, const std::filesystem::path& out);

}  // namespace medseg
