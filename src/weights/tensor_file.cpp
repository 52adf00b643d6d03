#include "medseg/weights/tensor_file.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

// A header length that fits the file, then an object: nothing else of ours begins so.
bool looks_like_safetensors(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 9) return false;
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  return bytes[8] == '{' && length <= bytes.size();
}

std::unique_ptr<TensorFile> open_folder(const fs::path& folder) {
  for (const char* name : {"model.safetensors.index.json", "pytorch_model.bin.index.json"}) {
    if (fs::exists(folder / name)) return open_shards(folder / name);
  }
  for (const char* name : {"model.safetensors", "pytorch_model.bin"}) {
    if (fs::exists(folder / name)) return open_tensor_file(folder / name);
  }
  throw CheckpointError(folder.string() +
                        ": holds no model.safetensors, pytorch_model.bin or index of their shards");
}

}  // namespace

bool TensorFile::contains(const std::string& name) const {
  const auto& all = tensors();
  return std::any_of(all.begin(), all.end(),
                     [&](const TensorInfo& info) { return info.name == name; });
}

std::size_t TensorFileBase::index_of(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw CheckpointError(path_.string() + ": no tensor " + name);
  return found->second;
}

void TensorFileBase::add(TensorInfo info) {
  if (!by_name_.emplace(info.name, tensors_.size()).second) {
    throw CheckpointError(path_.string() + ": tensor " + info.name + " stands twice");
  }
  tensors_.push_back(std::move(info));
}

at::Tensor view_of(const std::shared_ptr<const MappedFile>& file,
                   std::span<const std::uint8_t> bytes, const std::vector<std::int64_t>& shape,
                   at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype);
  const auto width = c10::elementSize(dtype);
  if (bytes.empty()) return at::empty(shape, options);
  void* data =
      const_cast<std::uint8_t*>(bytes.data());  // the mapping is private: nobody's file can change
  if (reinterpret_cast<std::uintptr_t>(data) % width != 0) {
    auto copy = at::empty(shape, options);
    std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
    return copy;
  }
  return at::from_blob(
      data, shape, [file](void*) {}, options);
}

std::unique_ptr<TensorFile> open_tensor_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_folder(path);
  if (path.string().ends_with(".index.json")) return open_shards(path);
  std::shared_ptr<const MappedFile> file;
  try {
    file = std::make_shared<const MappedFile>(path);
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
  const auto bytes = file->bytes();
  if (starts_with(bytes, "GGUF")) return open_gguf(file);
  if (starts_with(bytes, "PK\x03\x04")) return open_pickle(file);
  if (looks_like_safetensors(bytes)) return open_safetensors(file);
  if (!bytes.empty() && bytes[0] == 0x08)
    return open_onnx(file);  // field 1 of ModelProto, ir_version
  throw CheckpointError(path.string() +
                        ": no known format; known are safetensors, torch zip pickle, GGUF, ONNX");
}

}  // namespace medseg
