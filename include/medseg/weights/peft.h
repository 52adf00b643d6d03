/// \file
/// LoRA adapters in the files of the `peft` package: `adapter_config.json` and
/// `adapter_model.safetensors` (or `.bin`).
///
/// y = W x + scale · B A x with scale = alpha / r, or alpha / √r under rsLoRA (arXiv 2106.09685,
/// 2312.03732). Supported: ranks and alphas per module (`rank_pattern`, `alpha_pattern`), targets
/// as a list or a regular expression, and whole modules (`modules_to_save`). Refused by name: DoRA,
/// transposed weights (`fan_in_fan_out`), trained biases, adapted embeddings, and start values that
/// change the base (PiSSA, OLoRA, CorDA, LoftQ).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/weights/tensor_file.h"

namespace medseg {

struct AdapterLayer {
  std::string module;  ///< "model.layers.0.self_attn.q_proj", whose weight is W [out, in]
  at::Tensor a, b;     ///< [r, in], [out, r]
  double scale = 1;    ///< factor of B A

  std::int64_t rank() const { return a.size(0); }
};

struct Adapter {
  std::filesystem::path path;  ///< the adapter's folder, for messages
  std::string base;            ///< base_model_name_or_path
  double dropout = 0;
  bool rank_stabilised = false;      ///< rsLoRA: decides how alpha is written for a scale
  std::vector<std::string> targets;  ///< last parts of module names; empty if a pattern decided
  std::vector<std::string> saved_modules;  ///< modules_to_save
  /// Targets are written as whole names, because other modules end in the same parts.
  bool some_layers_only = false;
  std::vector<AdapterLayer> layers;
  /// Whole parameters by name: those of modules_to_save, token rows of a grown vocabulary, and what
  /// a trainer wrote beside the adapter.
  std::vector<std::pair<std::string, at::Tensor>> replaced;
  /// The file of each adapted or replaced parameter, where it came from one.
  std::map<std::string, std::filesystem::path> file_of;
  std::vector<std::filesystem::path> files;  ///< all that were read
};

/// Maps parameter names of the adapter's base model to ours; see layouts.h.
using NameOfOurs = std::function<std::optional<std::string>(const std::string&)>;

/// Weights that trainers write beside an adapter are part of it: LLaVA's `non_lora_trainables.bin`
/// (train/train.py, get_peft_state_non_lora_maybe_zero_3), elsewhere `non_lora_state_dict.bin`.
/// \throws CheckpointError if a file is missing or contradicts itself, the kind of adapter is
/// refused, half of a layer is missing, no rule matches a tensor's name, or other weights lie
/// beside the adapter.
Adapter read_adapter(const std::filesystem::path& folder, const NameOfOurs& our_name = {});

/// Whether these are the names of a whole PeftModel: what its trainer saves without merging
/// (DeepSpeed's zero_to_fp32.py on LISA's train_ds.py).
bool is_peft_model(const TensorFile& file);

/// A whole PeftModel taken apart.
struct PeftModel {
  std::shared_ptr<const TensorFile> base;  ///< under the names of the model without PEFT
  Adapter adapter;                         ///< under the same names
  bool alpha_is_stated = false;            ///< by an adapter_config.json beside the file
};
/// `alpha` counts where no adapter_config.json lies beside the file, which alone would state it.
/// \throws CheckpointError if half of a layer is missing or the kind of adapter is refused.
PeftModel take_apart(std::shared_ptr<const TensorFile> file, double alpha);

/// Writes both files into `folder`, with names `base_model.model.` + module, for
/// PeftModel.from_pretrained.
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter);

/// `base` with W + scale · B A (fp32) instead of every adapted weight, and with the replaced
/// parameters.
/// \throws CheckpointError if the adapter is for another model: `base` lacks a module, sizes
/// differ, or a targeted projection of the language model has no tensors.
std::shared_ptr<const TensorFile> with_adapter(std::shared_ptr<const TensorFile> base,
                                               const Adapter& adapter);

}  // namespace medseg
