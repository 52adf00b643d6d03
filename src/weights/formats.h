/// \file
/// One opener per format; `open_tensor_file` chooses by the first bytes.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "medseg/base/file.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// Input of a reader: the bytes of a file, and its path for errors.
struct FileBytes {
  std::filesystem::path path;
  std::span<const std::uint8_t> bytes;
  std::shared_ptr<const MappedFile> mapping = nullptr;  ///< null: the caller keeps the bytes alive

  /// Drops the pages of `part` from memory; they are read from the file again when needed.
  void release(std::span<const std::uint8_t> part) const {
    if (mapping != nullptr) mapping->release(part);
  }
};

/// Chooses by the first bytes. \throws CheckpointError
std::unique_ptr<TensorFile> open_tensor_bytes(FileBytes file);

std::unique_ptr<TensorFile> open_safetensors(FileBytes file);
std::unique_ptr<TensorFile> open_pickle(FileBytes file);
std::unique_ptr<TensorFile> open_gguf(FileBytes file);
std::unique_ptr<TensorFile> open_onnx(FileBytes file);
/// Whether a GGUF says that it is one of several parts (`split.count` of llama.cpp's gguf-split).
bool is_gguf_part(const TensorFile& file);
/// All parts that lie beside `part`, as one file. \throws CheckpointError naming the part that is
/// missing or contradicts the others.
std::unique_ptr<TensorFile> open_gguf_parts(std::unique_ptr<TensorFile> part);
/// Opens a folder, or its `*.index.json`.
std::unique_ptr<TensorFile> open_shards(const std::filesystem::path& index);

/// What all formats share: path, tensor list, metadata and look-up by name.
class TensorFileBase : public TensorFile {
 public:
  const std::filesystem::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::map<std::string, MetadataValue>& metadata() const override { return metadata_; }

 protected:
  explicit TensorFileBase(std::filesystem::path path) : path_(std::move(path)) {}
  /// Index of `name` in tensors(). \throws CheckpointError when the file has no such tensor.
  std::size_t index_of(const std::string& name) const;
  bool has(const std::string& name) const { return by_name_.contains(name); }
  /// \throws CheckpointError on a name that exists already or is not valid (tensor_name.h).
  void add(TensorInfo info);
  /// Removes all tensors.
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

/// A tensor over `bytes` of the file. It keeps the file alive and releases the bytes when it is
/// destroyed. Copies if the bytes are not aligned for the type.
at::Tensor view_of(const FileBytes& file, std::span<const std::uint8_t> bytes,
                   const std::vector<std::int64_t>& shape, at::ScalarType dtype);

}  // namespace medseg
