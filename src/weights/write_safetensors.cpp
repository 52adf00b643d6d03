#include <cerrno>
#include <cstring>
#include <iomanip>
#include <span>

#include <ATen/ATen.h>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "dtypes.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// Streams into a temporary file next to the target and renames it in finish(). No second copy of
// the weights is held in memory.
class StreamedFile {
 public:
  explicit StreamedFile(const fs::path& path)
      : path_(path),
        temporary_(path.parent_path() /
                   str_cat(".", path.filename().string(), ".", ::getpid(), ".tmp")) {
    std::error_code ignored;
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail();
  }
  ~StreamedFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!finished_) ::unlink(temporary_.c_str());
  }
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  void write(const void* data, std::size_t count) {
    const auto* bytes = static_cast<const char*>(data);
    while (count > 0) {
      const ssize_t written = ::write(fd_, bytes, count);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail();
      bytes += written;
      count -= static_cast<std::size_t>(written);
    }
  }

  void finish() {
    if (::fsync(fd_) != 0) fail();
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
    finished_ = true;
  }

 private:
  [[noreturn]] void fail() const {
    throw DataError(path_.string(), str_cat("cannot write: ", std::strerror(errno)));
  }

  fs::path path_, temporary_;
  int fd_ = -1;
  bool finished_ = false;
};

void write_one(const fs::path& path, std::span<const TensorToWrite> tensors,
               const std::map<std::string, std::string>& metadata, std::size_t alignment = 8) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [info, load] : tensors) {
    const std::uint64_t end = offset + info.bytes;
    header[info.name] = {
        {"dtype", info.dtype}, {"shape", info.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  while ((sizeof(std::uint64_t) + text.size()) % alignment != 0) text += ' ';
  const std::uint64_t length = text.size();

  StreamedFile file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const auto& [info, load] : tensors) {
    const auto flat = load().detach().to(at::kCPU).contiguous();
    MEDSEG_CHECK(flat.nbytes() == info.bytes && safetensors_name(flat.scalar_type()) == info.dtype,
                 info.name + " is not what was announced");
    file.write(flat.data_ptr(), flat.nbytes());
  }
  file.finish();
}

std::string shard_name(std::size_t number, std::size_t count) {
  std::ostringstream name;
  name << std::setfill('0') << "model-" << std::setw(5) << number << "-of-" << std::setw(5) << count
       << ".safetensors";
  return name.str();
}

}  // namespace

TensorToWrite to_write(std::string name, const at::Tensor& tensor) {
  return {{.name = std::move(name),
           .dtype = safetensors_name(tensor.scalar_type()),
           .shape = tensor.sizes().vec(),
           .bytes = tensor.nbytes()},
          [tensor] { return tensor; }};
}

TensorToWrite to_write(std::string name, std::shared_ptr<const TensorFile> file, TensorInfo info) {
  const auto source = info.name;
  info.name = std::move(name);
  if (!safetensors_dtype(info.dtype)) {  // GGUF's block formats, which are dequantised
    info.dtype = "F32";
    info.bytes = sizeof(float);
    for (const auto size : info.shape) info.bytes *= static_cast<std::uint64_t>(size);
  }
  return {std::move(info), [file = std::move(file), source] { return file->load(source); }};
}

void write_safetensors(const fs::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata, std::size_t alignment) {
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) list.push_back(to_write(name, tensor));
  write_one(path, list, metadata, alignment);
}

void write_checkpoint(const fs::path& folder, const std::vector<TensorToWrite>& tensors,
                      std::uint64_t shard_bytes) {
  std::vector<std::size_t> ends;  // end of each shard, as an index into `tensors`
  std::uint64_t total = 0, here = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (here > 0 && here + tensors[i].info.bytes > shard_bytes) {
      ends.push_back(i);
      here = 0;
    }
    here += tensors[i].info.bytes;
    total += tensors[i].info.bytes;
  }
  ends.push_back(tensors.size());
  const std::map<std::string, std::string> metadata = {{"format", "pt"}};
  if (ends.size() == 1) return write_one(folder / "model.safetensors", tensors, metadata);
  nlohmann::json index = {{"metadata", {{"total_size", total}}}};
  std::size_t begin = 0;
  for (std::size_t shard = 0; shard < ends.size(); ++shard) {
    const auto name = shard_name(shard + 1, ends.size());
    const auto part = std::span(tensors).subspan(begin, ends[shard] - begin);
    for (const auto& tensor : part) index["weight_map"][tensor.info.name] = name;
    write_one(folder / name, part, metadata);
    begin = ends[shard];
  }
  write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace medseg
