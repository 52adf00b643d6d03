/// \file
/// Features of the frozen encoders on disk, for all runs that have these encoders and images.
///
///     FOLDER/0123456789abcdef/5f/5f….safetensors   one entry an image, below the first digits of
///                                                  the key of its encoders
///     FOLDER/tmp/                                  entries while they are written
///
/// An entry is named by SHA-256 of all that its numbers depend on: the ImageKey, preprocessing,
/// encoder weights and geometry, dtypes, device type, torch. The number of threads and the machine
/// are not part of the name: where those change the last bits, an entry has the bits of its writer.
/// Nothing is ever changed in place, so any number of processes may share a folder, and anything in
/// it may be removed.
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

/// SHA-256 of what features depend on beside the image; reads every weight of the encoders once.
std::string encoders_key(const Segmenter& model, const BundleOptions& options,
                         at::ScalarType precision, at::ScalarType storage);

/// Safe for several threads and, between them, for several processes.
class FeatureFolder {
 public:
  /// Makes the folder if it is missing, and removes what killed processes left in tmp/ an hour ago
  /// or earlier. Entries are added only while the file system keeps `keep_free_bytes` free beside
  /// them.
  /// \throws DataError "FOLDER: …" if it is a file or cannot be written.
  FeatureFolder(std::filesystem::path folder, FeatureForm form, std::uint64_t keep_free_bytes);

  /// The entry, as a view of the mapped file; null if there is none. A damaged entry counts as
  /// missing, with a warning, and add() replaces it. The first time that this process reads an
  /// entry, its bytes are checked against the sum in it.
  std::shared_ptr<const ImageFeatures> find(const ImageKey& image);

  /// Writes under a temporary name, fsyncs, renames. Never throws for lack of room or rights: it
  /// warns once and adds nothing more from then on.
  void add(const ImageKey& image, const ImageFeatures& features);

  const std::filesystem::path& path() const { return folder_; }
  const FeatureForm& form() const { return form_; }
  std::uint64_t damaged() const { return damaged_count_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  std::filesystem::path entry(const ImageKey& image) const;
  std::filesystem::path temporary() const;
  std::shared_ptr<const ImageFeatures> read(const std::filesystem::path& path,
                                            const ImageKey& image);
  void write(const std::filesystem::path& path, const ImageKey& image,
             const ImageFeatures& features);
  std::string sum(const ImageKey& image, const ImageFeatures& features) const;
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
