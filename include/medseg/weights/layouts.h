/// \file
/// Names of the published whole-model layouts, as tables that serve both directions.
///
/// | layout | published as | | --- | --- | | `lisa` | xinlai/LISA-7B-v1, -13B-llama2-v1, …: SAM
/// under `model.visual_model.`, one linear projector, CLIP not in the file | | `glamm` |
/// MBZUAI/GLaMM-*: SAM under `model.grounding_encoder.`, `model.region_encoder.` of no use here,
/// CLIP not in the file | | `llava` | liuhaotian/llava-v1.5-*, microsoft/llava-med-v1.5-mistral-7b
/// (its CLIP inside) | | `llava-hf` | llava-hf/llava-1.5-*-hf, under the names of transformers 4.36
/// to 4.51 and of 4.52 and later |
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "medseg/weights/tensor_file.h"

namespace medseg {

/// `*` stands for the same text of at least one character on both sides; at most one per pattern.
struct NameRule {
  std::string theirs, ours;
};

struct Layout {
  std::string name;
  std::vector<NameRule> rules;  ///< the first that matches counts
  /// Their tensors that this program does not need: rotary tables, region encoder, text tower.
  std::vector<std::string> skipped;
};

/// \throws ConfigError with the known names.
const Layout& layout_of(const std::string& name);

/// Nothing if no rule matches.
std::optional<std::string> our_name(const Layout& layout, const std::string& theirs);
std::optional<std::string> their_name(const Layout& layout, const std::string& ours);
bool is_skipped(const Layout& layout, const std::string& theirs);

/// A file with other tensor names.
struct RenamedTensors {
  std::shared_ptr<const TensorFile> file;  ///< with our names, in the order of the original
  std::vector<std::string> skipped;        ///< their names that are known to be not needed
  std::vector<std::string> unknown;        ///< their names that no rule and no skip list covers
};
/// \throws CheckpointError if two tensors get the same name.
RenamedTensors under_our_names(std::shared_ptr<const TensorFile> file, const Layout& layout);

/// New name of a tensor; nothing leaves it out.
using NewName = std::function<std::optional<std::string>(const std::string&)>;
/// \throws CheckpointError if two tensors get the same name.
std::shared_ptr<const TensorFile> renamed_tensors(std::shared_ptr<const TensorFile> file,
                                                  const NewName& new_name);
/// All tensors, that of `name` under `second` too.
std::shared_ptr<const TensorFile> with_second_name(std::shared_ptr<const TensorFile> file,
                                                   const std::string& name,
                                                   const std::string& second);

/// The tensors whose names start with `prefix`, without it.
std::shared_ptr<const TensorFile> part_of(std::shared_ptr<const TensorFile> file,
                                          const std::string& prefix);

}  // namespace medseg
