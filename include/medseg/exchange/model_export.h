/// \file
/// A bundle as others read it (`medseg model export`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/weights/tensor_file.h"

namespace medseg {

struct ExportRequest {
  std::filesystem::path bundle;
  /// | layout | written |
  /// | --- | --- |
  /// | `hf-llava` | what LlavaForConditionalGeneration.from_pretrained loads; grounding parts are left out |
  /// | `lisa`, `glamm` | the names and config.json of these repositories; the CLIP tower in `vision_tower/` beside them |
  /// | `peft` | the adapter of a checkpoint of a run, with all that trained beside it, as PeftModel loads it |
  /// | `sam` | the grounding part: SamModel's names in model.safetensors, segment_anything's in segment_anything.safetensors |
  std::string layout;
  std::uint64_t shard_bytes = kShardBytes;
};

struct ExportReport {
  std::size_t written = 0;            ///< tensors
  std::vector<std::string> left_out;  ///< of the bundle, for which the layout has no place
};

std::vector<std::string> export_layouts();

/// Writes `out` whole or not at all; tensors keep their dtype and pass through one by one.
/// \throws CheckpointError when the bundle is broken, was never trained, or is a model that the layout cannot hold;
/// ConfigError on an unknown layout.
ExportReport export_bundle(const ExportRequest& request, const std::filesystem::path& out);

}  // namespace medseg
