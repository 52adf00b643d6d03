#include "medseg/weights/tensor_file.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>

#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "tensor_name.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// A header length, then an object. A length that does not fit the file is an error of its own,
// except where the first byte may be ONNX's.
bool looks_like_safetensors(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 9 || bytes[8] != '{') return false;
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  return length <= bytes.size() || bytes[0] != 0x08;
}

// Names what the file is if it is not a known format, and what to do about it.
std::string foreign_file(std::span<const std::uint8_t> bytes) {
  using namespace std::string_view_literals;
  if (bytes.empty()) return "the file is empty";
  if (starts_with(bytes, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv)) {
    return "torch.save's format of before version 1.6; convert it once in Python: "
           "torch.save(torch.load(FILE, weights_only=True), FILE)";
  }
  if (bytes[0] == 0x80) return "a bare pickle, not the zip archive that torch.save writes";
  if (starts_with(bytes, "version https://git-lfs"sv))
    return "a Git LFS pointer, not the file itself; git lfs pull fetches it";
  if (starts_with(bytes, "<"sv)) return "a web page, not weights: the download went wrong";
  if (starts_with(bytes, "\x89HDF"sv)) return "HDF5, which is not read";
  return "no known format; known are safetensors, torch zip pickle, GGUF, ONNX";
}

std::unique_ptr<TensorFile> open_folder(const fs::path& folder) {
  // In the order of transformers' PreTrainedModel.from_pretrained.
  std::vector<std::string> sets;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json"}) {
    std::error_code ignored;
    if (fs::exists(folder / name, ignored)) sets.emplace_back(name);
  }
  if (sets.empty()) {
    throw CheckpointError(folder.string(),
                          "holds no model.safetensors, pytorch_model.bin or index of their shards");
  }
  if (sets.size() > 1) {
    log_warning(str_cat(folder.string(), ": holds several sets of weights (", join(sets, ", "),
                        "); ", sets.front(), " is read, as transformers does"));
  }
  return open_tensor_file(folder / sets.front());
}

}  // namespace

bool TensorFile::contains(const std::string& name) const {
  const auto& all = tensors();
  return std::any_of(all.begin(), all.end(),
                     [&](const TensorInfo& info) { return info.name == name; });
}

std::size_t TensorFileBase::index_of(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw CheckpointError(path_.string(), str_cat("no tensor ", name));
  return found->second;
}

void TensorFileBase::add(TensorInfo info) {
  if (const auto fault = name_fault(info.name); !fault.empty())
    throw CheckpointError(path_.string(),
                          str_cat("the name of tensor ", tensors_.size() + 1, " ", fault));
  if (!by_name_.emplace(info.name, tensors_.size()).second) {
    throw CheckpointError(path_.string(), str_cat("tensor ", info.name, " occurs twice"));
  }
  tensors_.push_back(std::move(info));
}

at::Tensor view_of(const FileBytes& file, std::span<const std::uint8_t> bytes,
                   const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype);
  const auto width = c10::elementSize(dtype);
  if (bytes.empty()) return at::empty(shape, options);
  void* data =
      // The mapping is private, so no write reaches the file.
      const_cast<std::uint8_t*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(data) % width != 0) {
    auto copy = at::empty(shape, options);
    std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
    file.release(bytes);
    return copy;
  }
  return at::from_blob(
      data, shape,
      [mapping = file.mapping, bytes](void*) {
        if (mapping != nullptr) mapping->release(bytes);
      },
      options);
}

void copy_values(const at::Tensor& from, at::Tensor& to) {
  constexpr std::size_t kSmall = 8 << 20;
  TORCH_CHECK(from.sizes() == to.sizes(), "copy_values: ", from.sizes(), " into ", to.sizes());
  const bool alike = from.scalar_type() == to.scalar_type() && from.is_cpu() && to.is_cpu() &&
                     from.is_contiguous() && to.is_contiguous();
  if (alike && from.nbytes() > 0 && from.nbytes() <= kSmall) {
    std::memcpy(to.data_ptr(), from.data_ptr(), from.nbytes());
  } else {
    to.copy_(from);
  }
}

std::unique_ptr<TensorFile> open_tensor_bytes(FileBytes file) {
  const auto bytes = file.bytes;
  if (starts_with(bytes, "GGUF")) return open_gguf(std::move(file));
  if (starts_with(bytes, "PK\x03\x04")) return open_pickle(std::move(file));
  if (looks_like_safetensors(bytes)) return open_safetensors(std::move(file));
  if (!bytes.empty() && bytes[0] == 0x08)
    return open_onnx(std::move(file));  // field 1 of ModelProto, ir_version
  throw CheckpointError(file.path.string(), foreign_file(bytes));
}

std::unique_ptr<TensorFile> open_tensor_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_folder(path);
  if (path.string().ends_with(".index.json")) return open_shards(path);
  const auto file =
      raised_as<CheckpointError>([&] { return std::make_shared<const MappedFile>(path); });
  auto opened = open_tensor_bytes({file->path(), file->bytes(), file});
  return is_gguf_part(*opened) ? open_gguf_parts(std::move(opened)) : std::move(opened);
}

}  // namespace medseg
