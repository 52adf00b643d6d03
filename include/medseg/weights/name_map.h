/// \file
/// From a file's tensor names to ours: rules as data.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/nn/module.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// One tensor of the model and where it comes from.
struct TensorSource {
  std::string target;  ///< name in our module
  std::string source;  ///< name in the file
  std::function<at::Tensor(const at::Tensor&)>
      change;  ///< permute rows, transpose …; empty: as it is
};

/// The ONNX export of a DINOv2 tower (anonymous MatMul weights named by the bias they are added to).
std::vector<TensorSource> onnx_dinov2_sources(const TensorFile& file);
/// Names that start with `prefix`, without it.
std::vector<TensorSource> plain_sources(const TensorFile& file, const std::string& prefix = "");

/// What became of every tensor: the table behind `model audit`.
struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<std::string> initialised;  ///< in the model, not in the file
  std::vector<std::string> unused;       ///< in the file, not in the model
  std::vector<std::string> mismatched;   ///< "name: file [2,3], model [3,3]"
};

/// Copies into the module's parameters and buffers (their dtype stays). Never throws for a missing tensor:
/// the report says it. \throws CheckpointError if a tensor cannot be read.
LoadReport load_into(Module& module, const TensorFile& file,
                     const std::vector<TensorSource>& sources, const std::string& prefix = "");

}  // namespace medseg
