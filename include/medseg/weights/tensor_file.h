/// \file
/// Tensors in files, read by name. One interface over safetensors, torch's zip pickle, GGUF and
/// ONNX.
///
/// Readers execute nothing, check every size against the file, and name the file in every error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
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

  /// The values. Block formats (Q4_1 …) are dequantised to fp32. Safetensors are zero-copy views of
  /// the mapping and must not be written to. \throws CheckpointError at the file and tensor.
  virtual at::Tensor load(const std::string& name) const = 0;

  /// The file that holds this tensor, for messages: a shard, or the adapter that brought it.
  virtual const std::filesystem::path& path_of(const std::string& name) const {
    static_cast<void>(name);
    return path();
  }
  /// Every file that was opened for these tensors, the indices of shards too.
  virtual std::vector<std::filesystem::path> files() const { return {path()}; }
  bool contains(const std::string& name) const;
};

/// Chooses the format by the first bytes, never by the name. A folder or an `*.index.json` opens
/// its shards as one file, and any part of a split GGUF opens all parts beside it. Of several sets
/// of weights in a folder the one that transformers reads is taken: safetensors before pickle, one
/// file before shards. \throws CheckpointError; a GGUF part whose others are missing, by number.
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

/// Copies the values of `from` into `to`, of the same shape. Small tensors are copied on the
/// calling thread: torch's copy_ wakes all threads from 32768 numbers on, and on a busy machine
/// waiting for them takes longer than the copy.
void copy_values(const at::Tensor& from, at::Tensor& to);

/// Atomic. Tensors are written in the given order, contiguous, in their own dtype. The data begins
/// at a multiple of `alignment` bytes; the reference writer uses 8.
/// \throws DataError if the disk is full, and leaves no file then.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       std::size_t alignment = 8);

/// A tensor that is read only when it is written, so that a checkpoint may be larger than memory.
struct TensorToWrite {
  TensorInfo
      /// Dtype as the written file names it ("F32"), shape and bytes of the result of `load`.
      info;
  std::function<at::Tensor()> load;
};
TensorToWrite to_write(std::string name, const at::Tensor& tensor);
/// The tensor `info` of `file` in its stored type; block formats become fp32.
TensorToWrite to_write(std::string name, std::shared_ptr<const TensorFile> file, TensorInfo info);

inline constexpr std::uint64_t kShardBytes = 5'000'000'000;  ///< Hugging Face's default

/// Writes `folder`/model.safetensors or, above `shard_bytes`, model-00001-of-0000N.safetensors and
/// model.safetensors.index.json, in the given order. One tensor is in memory at a time.
/// \throws DataError.
void write_checkpoint(const std::filesystem::path& folder,
                      const std::vector<TensorToWrite>& tensors,
                      std::uint64_t shard_bytes = kShardBytes);

}  // namespace medseg
