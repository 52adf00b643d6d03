#include "sent_image.h"

#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "medseg/base/str.h"
#include "medseg/generation/open_picture.h"
#include "medseg/http/message.h"

namespace medseg {
namespace {

/// A file in memory alone, with a path that readers can open.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes) : fd_(::memfd_create("image", MFD_CLOEXEC)) {
    std::size_t done = 0;
    while (fd_ >= 0 && done < bytes.size()) {
      const auto written = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      done += static_cast<std::size_t>(written);
    }
    if (fd_ < 0 || done < bytes.size()) {
      if (fd_ >= 0) ::close(fd_);
      throw HttpError(503, "no_memory", "no memory for the image");
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return str_cat("/proc/self/fd/", fd_); }

 private:
  int fd_;
};

// Messages name the file; a client knows none.
std::string without_path(std::string text, const std::string& path) {
  for (auto at = text.find(path); at != std::string::npos; at = text.find(path))
    text.replace(at, path.size(), "image");
  return text;
}

}  // namespace

RecordImage read_sent_image(const SentImage& image) {
  const MemoryFile file(image.bytes);
  PictureOptions options;
  options.file = file.path();
  options.slice = image.slice;
  options.axis = image.axis;
  options.modality = image.modality;
  options.window = image.window;
  try {
    auto read = open_picture(options);
    for (auto& note : read.notes) note = without_path(note, file.path());
    return read;
  } catch (const Error& error) {
    throw HttpError(400, "bad_image", without_path(error.what(), file.path()));
  }
}

}  // namespace medseg
