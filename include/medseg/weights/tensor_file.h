/// \file
/// Tensors in files, read by name. One interface over safetensors, torch's zip pickle, GGUF and ONNX.
///
/// Readers never execute anything, bound every size by the file, and name the file in every error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace medseg {

struct TensorInfo {
  std::string name;
  std::string dtype;                ///< as stored: "F32", "BF16", "Q4_1", …
  std::vector<std::int64_t> shape;  ///< torch order (slowest first)
  std::uint64_t bytes = 0;          ///< as stored
};

/// Values of GGUF metadata and of safetensors' `__metadata__` (strings).
using MetadataValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string>>;

class TensorFile {
 public:
  virtual ~TensorFile() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual std::string format() const = 0;  ///< "safetensors", "pickle", "gguf", "onnx"
  virtual const std::vector<TensorInfo>& tensors() const = 0;  ///< file order
  virtual const std::map<std::string, MetadataValue>& metadata() const = 0;

  /// The values; block formats (Q4_1 …) are dequantised to fp32. Safetensors are zero-copy views of the
  /// mapping (never write into them). \throws CheckpointError naming file and tensor.
  virtual at::Tensor load(const std::string& name) const = 0;
  bool contains(const std::string& name) const;
};

/// Opens by the first bytes, never by the name; a folder or an `*.index.json` opens its shards as one.
/// \throws CheckpointError "file: what".
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

/// Atomic. Tensors are written in the given order, contiguous, in their own dtype.
/// \throws DataError if the disk is full; nothing is left behind then.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace medseg
