/// \file
/// Features of the frozen encoders on disk, for all runs that have these encoders and pictures.
///
///     FOLDER/0123456789abcdef/5f/5f….safetensors   one entry a picture, under the first digits of its encoders' key
///     FOLDER/tmp/                                   entries while they are written
///
/// An entry is named by SHA-256 of all that its numbers depend on: the picture's 8-bit pixels (so a slice of a volume
/// through its window is a picture of its own), preprocessing, encoder weights and geometry, dtypes, device type, torch. It
/// does not depend on threads or on the machine: where those change the last bits, an entry has those of who wrote it.
/// Nothing is ever changed in place, so any number of processes may share a folder, and anything in it may be removed.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "medseg/pipeline/features.h"

namespace medseg {

/// What the entries of one model are.
struct FeatureForm {
  std::string encoders;                         ///< encoders_key
  std::vector<std::int64_t> vision, grounding;  ///< shapes; empty where the model lacks the encoder
  at::ScalarType storage = at::kFloat;
};
FeatureForm feature_form(const Segmenter& model, const BundleOptions& options,
                         at::ScalarType precision, at::ScalarType storage);

/// SHA-256 of what features depend on beside the picture; reads every weight of the encoders once.
std::string encoders_key(const Segmenter& model, const BundleOptions& options,
                         at::ScalarType precision, at::ScalarType storage);

/// "WxHxC:SHA-256 of the pixels".
std::string pixels_key(const Image& image);

/// Safe for several threads and, between them, for several processes.
class FeatureFolder {
 public:
  /// Makes the folder where it is not there, and removes what killed processes left in tmp/ an hour ago or earlier.
  /// `keep_free_bytes`: entries are added only while the file system keeps so much free beside them.
  /// \throws DataError "FOLDER: …" if it is a file or cannot be written.
  FeatureFolder(std::filesystem::path folder, FeatureForm form, std::uint64_t keep_free_bytes);

  /// The entry, as a view of the mapped file; null if there is none. One that is damaged is none, with a warning: add()
  /// replaces it. The first time that this process reads an entry it is checked against the sum in it.
  std::shared_ptr<const ImageFeatures> find(const std::string& pixels);

  /// Writes under a temporary name, fsyncs, renames. Never throws for lack of room or rights: with one warning nothing more
  /// is added from then on.
  void add(const std::string& pixels, const ImageFeatures& features);

  const std::filesystem::path& path() const { return folder_; }
  const FeatureForm& form() const { return form_; }
  std::uint64_t damaged() const { return damaged_count_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  std::filesystem::path entry(const std::string& pixels) const;
  std::filesystem::path temporary() const;
  std::shared_ptr<const ImageFeatures> read(const std::filesystem::path& path,
                                            const std::string& pixels);
  void write(const std::filesystem::path& path, const std::string& pixels,
             const ImageFeatures& features);
  std::string sum(const std::string& pixels, const ImageFeatures& features) const;
  void probe();
  void stop_adding(const std::string& why);

  std::filesystem::path folder_;
  FeatureForm form_;
  std::uint64_t keep_free_bytes_;
  std::atomic<bool> adds_ = true;
  std::atomic<std::uint64_t> damaged_count_ = 0, bytes_read_ = 0, written_ = 0, bytes_written_ = 0;
  std::shared_ptr<std::atomic<std::int64_t>> mapped_;  ///< entries that are in use as views
  std::mutex mutex_;                                   ///< of the two below
  std::unordered_set<std::string> checked_, damaged_;  ///< file names
};

}  // namespace medseg
