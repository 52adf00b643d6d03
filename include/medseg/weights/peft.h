/// \file
/// LoRA adapters as the `peft` package keeps them: `adapter_config.json` and `adapter_model.safetensors` (or `.bin`).
///
/// y = W x + scale · B A x with scale = alpha / r, or alpha / √r under rsLoRA (arXiv 2106.09685, 2312.03732). Ranks and
/// alphas a module (`rank_pattern`, `alpha_pattern`), targets as a list or a regular expression, and whole modules
/// (`modules_to_save`) are understood. DoRA, transposed weights (`fan_in_fan_out`), trained biases, adapted embeddings
/// and start values that change the base (PiSSA, OLoRA, CorDA, LoftQ) are refused by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/weights/tensor_file.h"

namespace medseg {

struct AdapterLayer {
  std::string module;  ///< "model.layers.0.self_attn.q_proj": its weight is W [out, in]
  at::Tensor a, b;     ///< [r, in], [out, r]
  double scale = 1;    ///< of B A

  std::int64_t rank() const { return a.size(0); }
};

struct Adapter {
  std::filesystem::path path;  ///< its folder, for messages
  std::string base;            ///< base_model_name_or_path
  double dropout = 0;
  bool rank_stabilised = false;      ///< rsLoRA: how the scale follows from alpha when written
  std::vector<std::string> targets;  ///< last parts of module names; empty: a pattern decided
  std::vector<std::string> saved_modules;  ///< modules_to_save
  bool some_layers_only =
      false;  ///< written with whole names as targets: others end in the same parts
  std::vector<AdapterLayer> layers;
  /// Values of whole parameters, by parameter name: those of modules_to_save, and token rows of a grown vocabulary.
  std::vector<std::pair<std::string, at::Tensor>> replaced;
};

/// Names of the adapter's base model to names of ours, parameter by parameter; see layouts.h.
using NameOfOurs = std::function<std::optional<std::string>(const std::string&)>;

/// \throws CheckpointError on one line: a file that is missing or contradicts itself, a kind of adapter that is refused,
/// a tensor whose half is missing or that no rule names.
Adapter read_adapter(const std::filesystem::path& folder, const NameOfOurs& our_name = {});

/// Writes both files into `folder`, under `base_model.model.` + module, as PeftModel.from_pretrained reads them.
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter);

/// `base` with W + scale · B A (fp32) in place of every adapted weight and the replaced parameters in place of theirs.
/// \throws CheckpointError when the adapter is another model's: a module that `base` lacks, sizes that differ, or a
/// targeted projection of the language model without its tensors.
std::shared_ptr<const TensorFile> with_adapter(std::shared_ptr<const TensorFile> base,
                                               const Adapter& adapter);

}  // namespace medseg
