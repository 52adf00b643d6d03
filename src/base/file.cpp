#include "medseg/base/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const char* what) {
  throw DataError(path.string(), str_cat(what, ": ", std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY));
  // Some file systems cannot; the rename has been done anyway.
  if (fd.get() >= 0) ::fsync(fd.get());
}

void make_folders(const fs::path& folder) {
  std::vector<fs::path> made;  // deepest first
  std::error_code error;
  for (auto at = folder; !at.empty() && !fs::exists(at, error); at = at.parent_path())
    made.push_back(at);
  fs::create_directories(folder, error);
  if (error) throw DataError(folder.string(), str_cat("cannot make folder: ", error.message()));
  for (auto at = made.rbegin(); at != made.rend(); ++at) sync_folder(at->parent_path());
}

void make_parents(const fs::path& path) {
  if (path.has_parent_path()) make_folders(path.parent_path());
}

// A name in the same folder that no other process uses, so that a rename stays in one file system.
fs::path temporary_beside(const fs::path& path) {
  auto name = "." + path.filename().string() + str_cat(".", ::getpid(), ".tmp");
  return path.parent_path() / name;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void sync_tree(const fs::path& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory()) {
      sync_folder(entry->path());
    } else if (entry->is_regular_file()) {
      sync_file(entry->path());
    }
  }
  if (error) throw DataError(folder.string(), str_cat("cannot read: ", error.message()));
  sync_folder(folder);
}

// False if the file system cannot exchange two names.
bool change_places(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

}  // namespace

std::string read_file(const fs::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(path, "cannot open");
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot read");
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

void write_file(const fs::path& path, std::string_view bytes) {
  make_parents(path);
  const auto temporary = temporary_beside(path);
  Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) fail(path, "cannot write");
  const bool written = write_all(fd.get(), bytes) && ::fsync(fd.get()) == 0;
  const bool closed = written && ::close(fd.release()) == 0;
  if (!closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    errno = code;
    fail(path, "cannot write");
  }
  sync_folder(path.parent_path());
}

void append_bytes(const fs::path& path, std::string_view bytes) {
  make_parents(path);
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  struct stat before {};
  if (fd.get() < 0 || ::fstat(fd.get(), &before) != 0) fail(path, "cannot write");
  if (write_all(fd.get(), bytes)) return;
  const int code = errno;
  if (::ftruncate(fd.get(), before.st_size) != 0) {
  }  // an incomplete line stays; readers of such files skip it
  errno = code;
  fail(path, "cannot write");
}

void append_line(const fs::path& path, std::string_view line) {
  append_bytes(path, std::string(line) + "\n");
}

void sync_file(const fs::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(path, "cannot open");
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != EROFS) fail(path, "cannot write");
}

std::optional<std::uint64_t> free_bytes(const fs::path& path) {
  auto there = fs::absolute(path);
  std::error_code ignored;
  while (!fs::exists(there, ignored) && there != there.parent_path()) there = there.parent_path();
  struct statvfs status {};
  if (::statvfs(there.c_str(), &status) != 0 || status.f_blocks == 0) return std::nullopt;
  const auto blocks = ::geteuid() == 0 ? status.f_bfree : status.f_bavail;
  return static_cast<std::uint64_t>(blocks) * status.f_frsize;
}

void refuse_foreign_folder(const fs::path& folder,
                           const std::function<bool(const std::string&)>& own) {
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder))
    throw DataError(folder.string(), "is a file, expected a folder to write");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!own || !own(name))
      throw DataError(folder.string(), str_cat("holds ", name, ", expected a new or empty folder"));
  }
}

AtomicFolder::AtomicFolder(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "runs/x/" names runs/x
  temporary_ = temporary_beside(target_);
  make_parents(target_);
  std::error_code error;
  fs::remove_all(temporary_, error);
  fs::create_directory(temporary_, error);
  if (error) throw DataError(target_.string(), str_cat("cannot make folder: ", error.message()));
}

AtomicFolder::~AtomicFolder() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_tree(temporary_);
  std::error_code error;
  const bool replaces = fs::exists(target_);
  if (replaces && change_places(temporary_, target_)) {  // so one of both exists at any moment
    committed_ = true;
    sync_folder(target_.parent_path());
    fs::remove_all(temporary_, error);
    return;
  }
  const fs::path old = temporary_.string() + ".old";
  if (replaces) fs::rename(target_, old, error);
  if (!error) fs::rename(temporary_, target_, error);
  if (error) {
    std::error_code ignored;
    if (replaces && !fs::exists(target_)) fs::rename(old, target_, ignored);
    throw DataError(target_.string(), str_cat("cannot write: ", error.message()));
  }
  committed_ = true;
  sync_folder(target_.parent_path());
  std::error_code ignored;
  if (replaces) fs::remove_all(old, ignored);
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail(path, "cannot open");
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(path, "cannot read");
  if (!S_ISREG(status.st_mode)) throw DataError(path.string(), "not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
  if (mapped == MAP_FAILED) fail(path, "cannot map");
  data_ = static_cast<const std::uint8_t*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void MappedFile::release(std::span<const std::uint8_t> part) const noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(part.data());
  const auto begin = (first + page - 1) / page * page, end = (first + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace medseg
