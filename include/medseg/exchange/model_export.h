/// \file
/// A bundle as others read it (`medseg model export`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

enum class ExportLayout {
  /// What LlavaForConditionalGeneration.from_pretrained loads; grounding parts are left out.
  kHfLlava,
  /// The names and config.json of LISA's and GLaMM's repositories; the CLIP tower in
  /// `vision_tower/` beside them.
  kLisa,
  kGlamm,
  /// The adapter of a checkpoint of a run, with all that trained beside it, as PeftModel loads it.
  kPeft,
  /// The grounding part: SamModel's names in model.safetensors, segment_anything's in
  /// segment_anything.safetensors.
  kSam,
};
template <>
struct Choice<ExportLayout> {
  static constexpr ChoiceNames<ExportLayout, 5> names = {{{ExportLayout::kHfLlava, "hf-llava"},
                                                          {ExportLayout::kLisa, "lisa"},
                                                          {ExportLayout::kGlamm, "glamm"},
                                                          {ExportLayout::kPeft, "peft"},
                                                          {ExportLayout::kSam, "sam"}}};
};

struct ExportRequest {
  std::filesystem::path bundle;
  ExportLayout layout = ExportLayout::kHfLlava;
  std::uint64_t shard_bytes = kShardBytes;
};

struct ExportReport {
  std::size_t written = 0;            ///< tensors
  std::vector<std::string> left_out;  ///< tensors of the bundle that the layout does not have
};

/// Writes `out` whole or not at all; tensors keep their dtype and pass through one by one.
/// \throws CheckpointError when the bundle is broken, was never trained, or is a model that the
/// layout cannot hold.
ExportReport export_bundle(const ExportRequest& request, const std::filesystem::path& out);

}  // namespace medseg
