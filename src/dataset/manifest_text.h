/// \file
/// The lines of a manifest's file, one after the other and without keeping them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "medseg/base/file.h"

namespace medseg {

class ManifestText {
 public:
  struct Line {
    int number = 0;         ///< 1-based
    std::size_t begin = 0;  ///< byte in the file
    std::string_view json;  ///< without byte order marks; valid while the ManifestText lives
  };

  /// \throws DataError if the file cannot be read, ManifestError as `manifest_lines`.
  explicit ManifestText(const std::filesystem::path& path);

  /// The next line that is not empty.
  std::optional<Line> next();
  /// The line that begins at a byte which `next` named.
  std::string_view line_at(std::size_t begin) const;

  std::size_t size() const { return text_.size(); }
  std::size_t read() const { return at_; }  ///< bytes

 private:
  MappedFile file_;
  std::string_view text_;
  std::size_t at_ = 0, released_ = 0;
  int number_ = 0;
};

}  // namespace medseg
