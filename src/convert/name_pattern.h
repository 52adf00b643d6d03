/// \file
/// Names of files as patterns: `{case}_{label}.png`, `{split}/images/{case}.*`.
///
///   {case}      which image and masks belong together; also the subject, unless there is
///   {subject}   who
///   {label}     the structure
///   {split}     train, val, test in any usual spelling
///   {channel}   of cases with several images; {any other word} binds images and masks alike
///   {name#}     digits only
///   {name?}     may be empty
///   *           anything but '/'
/// A pattern matches the end of a path at a folder's border.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace medseg {

using NameFields = std::map<std::string, std::string>;

class NamePattern {
 public:
  /// \throws ConfigError at `where` on braces that do not match or have no name.
  NamePattern(const std::string& where, const std::string& text);

  /// All ways in which the path fits, most of the path to the earliest field first. A field that
  /// stands twice has the same text twice. `accept` ends the search by returning true.
  bool match(const std::string& path, const std::function<bool(const NameFields&)>& accept) const;
  bool has_field(const std::string& name) const;
  std::size_t literal_size() const;  ///< characters that are no field

 private:
  struct Piece {
    enum class Kind { kText, kField, kStar } kind = Kind::kText;
    std::string text;  ///< or the field's name
    bool digits = false, may_be_empty = false;
  };
  bool match_from(std::size_t piece, const std::string& path, std::size_t at, NameFields& fields,
                  const std::function<bool(const NameFields&)>& accept) const;

  std::vector<Piece> pieces_;
};

/// "Training", "tr", "imagesTr" → train; "" where it is none.
std::string split_named(const std::string& word);

}  // namespace medseg
