/// \file
/// The files of a source. Names that a source gives are looked up below it and nowhere else.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace medseg {

class JsonItem;
class Reading;

class SourceFiles {
 public:
  /// Lists every file below `root` (symbolic links are followed, once each folder), sorted by name,
  /// but for those below `left_out`. A file as root stands for its folder.
  /// \throws DataError if it is missing.
  explicit SourceFiles(const std::filesystem::path& root,
                       const std::filesystem::path& left_out = {});

  const std::filesystem::path& root() const { return root_; }  ///< absolute
  /// Relative to the root, with '/'.
  const std::vector<std::string>& names() const { return names_; }
  std::vector<std::string> names_ending(const std::string& ending) const;  ///< case ignored

  /// The file that an annotation means by `name`: below `near` (a folder, relative to the root),
  /// below the root, in a folder `images` of either, or else the only file whose path ends so.
  /// \throws DataError at `where`: a path that leaves the source, no such file, or several.
  std::filesystem::path find(const std::string& name, const std::string& near,
                             const std::string& where) const;

 private:
  std::filesystem::path root_;
  std::vector<std::string> names_;
  std::map<std::string, std::vector<std::size_t>> by_file_name_;
};

/// `name` with forward slashes and without "./". \throws DataError at `where` if it is absolute,
/// of another computer, or leaves the source.
std::string inner_name(const std::string& name, const std::string& where);

/// The name without folders and ending; ".nii.gz" is one ending.
std::string stem_of(const std::string& name);

/// Calls `use` for every JSON file of the sources (a file as source is the only one looked at),
/// with its name relative to the root; `use` returns false for a file of another kind.
/// \throws DataError where no file was of the kind.
void for_each_json(Reading& reading,
                   const std::function<bool(const SourceFiles&, const std::string& name,
                                            const JsonItem& root)>& use);

bool ends_with_any(const std::string& name, const std::vector<std::string>& endings);
/// Endings of image files that are read.
bool is_picture_name(const std::string& name);

}  // namespace medseg
