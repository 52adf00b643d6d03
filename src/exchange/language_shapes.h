/// \file
/// Shapes of a language model's tensors under our names, to hold stated sizes against.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "medseg/models/llama_options.h"
#include "medseg/weights/name_map.h"

namespace medseg {

class LanguageShapes {
 public:
  LanguageShapes(const TensorFile& file, const std::vector<TensorSource>& sources);

  bool contains(const std::string& name) const { return tensors_.contains(name); }
  /// [rows, columns] of a matrix. \throws CheckpointError when there is none of this name.
  const std::vector<std::int64_t>& matrix(const std::string& name) const;

  /// What LlamaOptions::attention_bias must be. \throws CheckpointError on biases that no model of
  /// the family has.
  AttentionBias attention_bias() const;

  /// Checks that every tensor of `options` is here in its shape, and that `model.layers` holds no
  /// other. `stated_by` is the file that the sizes came from.
  /// \throws CheckpointError "STATED_BY: sizes, but FILE: tensor is …".
  void check(const LlamaOptions& options, const std::string& stated_by) const;

 private:
  struct Entry {
    std::string source, file;  // its name there, and which file of a checkpoint it stands in
    std::vector<std::int64_t> shape;
  };

  std::string file_;
  std::map<std::string, Entry> tensors_;
};

}  // namespace medseg
