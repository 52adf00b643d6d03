/// \file
/// Files: whole reads, memory maps, and writes that are never half done.
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

/// \throws DataError naming the path if it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Writes beside `path` under a temporary name, fsyncs, renames. Parents are made.
/// \throws DataError if any byte cannot be written; then `path` is as it was before
/// and the temporary file is gone.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Appends, whole or not at all: on a full disk the file keeps its length. Parents are made. \throws DataError.
void append_bytes(const std::filesystem::path& path, std::string_view bytes);
/// The same of one line ('\n' is added).
void append_line(const std::filesystem::path& path, std::string_view line);

/// Returns when the file's bytes would survive a power cut. \throws DataError.
void sync_file(const std::filesystem::path& path);

/// What this process may still write where `path` is or will be; nothing if the file system does not tell.
std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path);

/// Replacing a folder removes what is in it: never a stranger's files. \throws DataError "FOLDER: …" if it is a file or holds
/// anything whose name is not one of `own`; without `own`, if it holds anything.
void refuse_foreign_folder(const std::filesystem::path& folder,
                           const std::function<bool(const std::string& name)>& own = {});

/// A folder that appears whole or not at all, also over a power cut: fill `path()`, then `commit()`, which fsyncs every file
/// and folder in it before the rename and the parent after. Destroyed without commit, it removes what was written. An existing
/// folder at the target is replaced by commit(), on most file systems in one step; where a user names the target,
/// refuse_foreign_folder comes first.
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

/// Read-only private mapping of a whole file. Movable; the bytes live as long as it does.
/// An empty file maps to an empty span.
class MappedFile {
 public:
  /// \throws DataError naming the path if it cannot be opened.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// The whole pages of `part` leave this process's memory; read again, they come from the file.
  void release(std::span<const std::uint8_t> part) const noexcept;

 private:
  std::filesystem::path path_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace medseg
