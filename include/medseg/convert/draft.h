/// \file
/// What a reader of a foreign data set hands on: one picture with its structures, before it gets
/// its questions, its split and its place below the manifest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "medseg/convert/options.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

struct Draft {
  /// Files are those of the source, absolute. Without turns its questions are rendered from
  /// templates; with turns they are the source's own and are kept as they are.
  Record record;
  /// Structures that the source draws wherever they are seen: without a mask they are absent.
  std::vector<std::string> looked_for;
  /// Of these it cannot be said that they are absent: parts of them are in neighbouring slices.
  std::vector<std::string> doubtful;
  /// Pixels of masks by id, where the reader has counted them.
  std::map<std::string, std::int64_t> areas;
};

/// Something that was left out, and why.
struct Skipped {
  std::string reason;      ///< "bounding box without an outline"
  std::int64_t count = 0;  ///< items
  std::string first;       ///< the first item: "coco.json: annotations[3]"
};

/// What a reader reads from and adds to. Not thread-safe.
class Reading {
 public:
  explicit Reading(const ConvertOptions& options) : options_(options) {}

  const ConvertOptions& options() const { return options_; }
  void add(Draft draft) { drafts_.push_back(std::move(draft)); }
  void skip(const std::string& reason, const std::string& item);
  /// One line that a user should know; said once.
  void note(const std::string& line);
  /// A key of the source that may tell who a patient is, and is never read.
  void left_out_key(const std::string& key);

  /// The source's own words on its licence.
  const std::string& licence() const { return licence_; }
  void set_licence(const std::string& licence) { licence_ = licence; }
  /// The label whose pixels are neither structure nor background, where the source has one.
  std::optional<int> ignored() const { return ignored_; }
  void set_ignored(std::optional<int> value) { ignored_ = value; }
  /// Where masks that the reader has to draw are written to, as `masks/…`.
  const std::filesystem::path& folder() const { return folder_; }
  void set_folder(std::filesystem::path folder) { folder_ = std::move(folder); }

  std::vector<Draft>& drafts() { return drafts_; }
  const std::vector<Skipped>& skipped() const { return skipped_; }
  const std::vector<std::string>& notes() const { return notes_; }
  const std::vector<std::string>& left_out_keys() const { return left_out_keys_; }

 private:
  const ConvertOptions& options_;
  std::vector<Draft> drafts_;
  std::vector<Skipped> skipped_;
  std::vector<std::string> notes_, left_out_keys_;
  std::string licence_;
  std::optional<int> ignored_;
  std::filesystem::path folder_;
};

}  // namespace medseg
