/// \file
/// Published parts put together into a bundle (`medseg model import parts`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/bundle/bundle.h"

namespace medseg {

/// Of the language model's matrices in the bundle.
enum class MatrixStorage { kFp32, kBf16 };
template <>
struct Choice<MatrixStorage> {
  static constexpr ChoiceNames<MatrixStorage, 2> names = {
      {{MatrixStorage::kFp32, "fp32"}, {MatrixStorage::kBf16, "bf16"}}};
};

struct ImportRequest {
  /// GGUF or Hugging Face folder of a LLaMA, Mistral, Qwen2 or SmolLM2.
  std::filesystem::path language;
  /// What open_vision takes; empty: a model without a vision tower.
  std::filesystem::path vision;
  /// What open_grounding takes; empty: a language-only bundle, no token is added.
  std::filesystem::path grounding;
  GroundingPreprocess grounding_preprocess = GroundingPreprocess::kSam;
  std::optional<VisionFit> vision_preprocess;  ///< unset: the tower's own
  ProjectorType projector = ProjectorType::kMlp2xGelu;
  std::int64_t merge = 1;  ///< side of the patch block that becomes one token
  MatrixStorage dtype = MatrixStorage::kFp32;
  /// Empty: chatml where the tokenizer knows <|im_start|>, else llava_v1.
  std::string conversation;
  std::uint64_t seed = 0;  ///< of what is initialised
  std::string command;     ///< for the bundle's provenance
};

struct ImportReport {
  std::size_t loaded = 0;  ///< tensors that came from files
  /// Those that did not come from files; rows of a tensor as "name[first:end]".
  std::vector<std::string> initialised;
  std::vector<std::string> unused;  ///< tensors of the files that the model does not have
};

/// Writes `out` whole or not at all. New tokens `[SEG]`, `<p>`, `</p>` are appended in this order
/// where they are missing; their rows start at the mean of the old rows with a little noise, so
/// that their logits are no larger than a word's.
/// \throws CheckpointError when a part is unreadable, incomplete or of another architecture;
/// ConfigError on a bad option.
ImportReport import_parts(const ImportRequest& request, const std::filesystem::path& out);

}  // namespace medseg
