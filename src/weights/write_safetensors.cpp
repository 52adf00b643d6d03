#include <cerrno>
#include <cstring>

#include <ATen/ATen.h>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "dtypes.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// Streams into a temporary sibling; the name appears with finish(). No second copy of the weights is held.
class StreamedFile {
 public:
  explicit StreamedFile(const fs::path& path)
      : path_(path),
        temporary_(path.parent_path() /
                   str(".", path.filename().string(), ".", ::getpid(), ".tmp")) {
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
    throw DataError(str(path_.string(), ": cannot write: ", std::strerror(errno)));
  }

  fs::path path_, temporary_;
  int fd_ = -1;
  bool finished_ = false;
};

}  // namespace

void write_safetensors(const fs::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", safetensors_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts aligned, as the reference writer does
  const std::uint64_t length = text.size();

  StreamedFile file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    const auto flat = tensor.detach().to(at::kCPU).contiguous();
    file.write(flat.data_ptr(), flat.nbytes());
  }
  file.finish();
}

}  // namespace medseg
