/// \file
/// A published whole model into a bundle (`medseg model import lisa | glamm | llava`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "medseg/exchange/model_import.h"

namespace medseg {

enum class ImportLayout {
  kLisa,
  kGlamm,
  kLlava,  ///< LLaVA-1.5, LLaVA-Med v1.5, llava-hf
};
template <>
struct Choice<ImportLayout> {
  static constexpr ChoiceNames<ImportLayout, 3> names = {{{ImportLayout::kLisa, "lisa"},
                                                          {ImportLayout::kGlamm, "glamm"},
                                                          {ImportLayout::kLlava, "llava"}}};
};

struct LayoutRequest {
  ImportLayout layout = ImportLayout::kLlava;
  std::filesystem::path source;  ///< folder: config.json, tokenizer, weights and their index
  /// The tower's folder or file, where the weights hold none; else a folder that describes it.
  std::filesystem::path vision;
  /// kLlava only: makes a model that segments; its head and new tokens are to be trained.
  std::filesystem::path grounding;
  std::filesystem::path adapter;  ///< a PEFT folder, merged; empty: none
  /// Of LoRA layers that the source holds unmerged, where it has no adapter_config.json.
  std::optional<double> lora_alpha;
  GroundingPreprocess grounding_preprocess = GroundingPreprocess::kSam;
  std::string conversation;  ///< empty: the layout's own
  std::uint64_t seed = 0;    ///< of what is initialised
  std::string command;       ///< for the bundle's provenance
};

/// Writes `out` whole or not at all. Tensors keep their dtype and pass through one by one: a
/// checkpoint may be larger than memory. What a file does not state follows from its shapes.
/// \throws CheckpointError on one line: a file that is missing or contradicts another, and any
/// tensor that is missing, of another size or unknown, by name; ConfigError on a bad option, or
/// when the tower is neither in the file nor named, or an alpha is given for no adapter.
ImportReport import_layout(const LayoutRequest& request, const std::filesystem::path& out);

}  // namespace medseg
