/// \file
/// One opener a format; `open_tensor_file` picks by the first bytes.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "medseg/base/file.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

std::unique_ptr<TensorFile> open_safetensors(std::shared_ptr<const MappedFile> file);
std::unique_ptr<TensorFile> open_pickle(std::shared_ptr<const MappedFile> file);
std::unique_ptr<TensorFile> open_gguf(std::shared_ptr<const MappedFile> file);
std::unique_ptr<TensorFile> open_onnx(std::shared_ptr<const MappedFile> file);
/// A folder, or its `*.index.json`.
std::unique_ptr<TensorFile> open_shards(const std::filesystem::path& index);

/// What all formats share: path, tensor list, metadata and the look-up by name.
class TensorFileBase : public TensorFile {
 public:
  const std::filesystem::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::map<std::string, MetadataValue>& metadata() const override { return metadata_; }

 protected:
  explicit TensorFileBase(std::filesystem::path path) : path_(std::move(path)) {}
  /// Index of `name` in tensors(). \throws CheckpointError when the file has no such tensor.
  std::size_t index_of(const std::string& name) const;
  void add(TensorInfo info);
  /// Forgets all tensors.
  void reset() {
    tensors_.clear();
    by_name_.clear();
  }

  std::filesystem::path path_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, MetadataValue> metadata_;

 private:
  std::map<std::string, std::size_t> by_name_;
};

/// A tensor over bytes of the mapping, which it keeps alive. Copies when the bytes are not aligned for the type.
at::Tensor view_of(const std::shared_ptr<const MappedFile>& file,
                   std::span<const std::uint8_t> bytes, const std::vector<std::int64_t>& shape,
                   at::ScalarType dtype);

}  // namespace medseg
