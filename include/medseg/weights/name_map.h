/// \file
/// Maps the tensor names of a file to ours.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/nn/module.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// One tensor of the model and its source.
struct TensorSource {
  std::string target;  ///< name in our module
  std::string source;  ///< name in the file
  std::function<at::Tensor(const at::Tensor&)>
      change;  ///< permute rows, transpose …; empty: unchanged
};

/// For the ONNX export of a DINOv2 tower, whose MatMul weights have no name but that of their bias.
std::vector<TensorSource> onnx_dinov2_sources(const TensorFile& file);
/// Tensors whose name starts with `prefix`, which is removed.
std::vector<TensorSource> plain_sources(const TensorFile& file, const std::string& prefix = "");

/// What became of every tensor; `model audit` prints it.
struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<std::string> initialised;  ///< in the model, not in the file
  std::vector<std::string> unused;       ///< in the file, not in the model
  std::vector<std::string> mismatched;   ///< "name: file [2,3], model [3,3]"
};

/// Copies into the module's parameters and buffers, whose dtype stays. A missing tensor is listed
/// in the report and is not an error. \throws CheckpointError if a tensor cannot be read.
LoadReport load_into(Module& module, const TensorFile& file,
                     const std::vector<TensorSource>& sources, const std::string& prefix = "");

}  // namespace medseg
