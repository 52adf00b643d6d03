/// \file
/// Files: whole reads, memory maps, and writes that are complete or not done at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace medseg {

/// \throws DataError at the path if it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Writes to a temporary file in the same folder, fsyncs and renames it. Parent folders are made.
/// \throws DataError if any byte cannot be written; then `path` is unchanged and the temporary file
/// is removed.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Appends all bytes or none: on a full disk the file keeps its length. Parent folders are made.
/// \throws DataError.
void append_bytes(const std::filesystem::path& path, std::string_view bytes);
/// The same for one line ('\n' is added).
void append_line(const std::filesystem::path& path, std::string_view line);

/// Returns when the file's bytes would survive a power failure. \throws DataError.
void sync_file(const std::filesystem::path& path);

/// Bytes that this process may still write at `path`; nothing if the file system does not tell.
std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path);

/// To be called before a folder is replaced, which deletes its content.
/// \throws DataError if `folder` is a file or has an entry whose name is not accepted by `own`;
/// without `own`, if it has any.
void refuse_foreign_folder(const std::filesystem::path& folder,
                           const std::function<bool(const std::string& name)>& own = {});

/// A folder that appears whole or not at all, even after a power failure: fill `path()`, then call
/// `commit()`. That fsyncs every file and folder in it before the rename, and the parent
/// afterwards. Without commit the destructor removes what was written. commit() replaces an
/// existing folder, on most file systems in one step; if a user names the target, call
/// refuse_foreign_folder first.
class AtomicFolder {
 public:
  explicit AtomicFolder(std::filesystem::path target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Read-only private mapping of a whole file. Movable; the bytes are valid as long as it exists. An
/// empty file maps to an empty span.
class MappedFile {
 public:
  /// \throws DataError at the path if it cannot be opened.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Drops the whole pages of `part` from memory; they are read from the file again when needed.
  void release(std::span<const std::uint8_t> part) const noexcept;

 private:
  std::filesystem::path path_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace medseg
