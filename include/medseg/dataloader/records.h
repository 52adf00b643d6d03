/// \file
/// The records that a run trains on: manifests read once, dialogues rendered once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/dataloader/options.h"
#include "medseg/dataloader/quarantine.h"
#include "medseg/dataset/manifest.h"
#include "medseg/text/conversation.h"

namespace medseg {

/// What TrainingRecord::targets has for a turn that asks for what is not there.
inline constexpr const char* kAbsentTarget = "(absent)";

/// The image of a record: the file, and which slice of it through which window.
using ImageSource = std::pair<std::filesystem::path, std::string>;

struct TrainingRecord {
  const Manifest* manifest = nullptr;
  const Record* record = nullptr;
  std::size_t source = 0;            ///< index in data.train
  RenderedDialogue dialogue;         ///< without its text
  std::int64_t tokens = 0;           ///< sequence_length of the dialogue
  std::int64_t labelled = 0;         ///< tokens of its answers
  std::int64_t masks = 0;            ///< `[SEG]` of its answers
  std::vector<std::string> targets;  ///< labels of its masks and kAbsentTarget, each once

  ImageSource image() const;
};

/// Never changes once it is made.
class TrainingRecords {
 public:
  /// Reads all manifests and renders every dialogue. Under data.on_bad_sample "quarantine" lines
  /// and dialogues that cannot be used are left out. `bundle` is used here only.
  /// \throws DataError "manifest:line: …" on a line that is no record, on what render_record
  /// refuses, on a record without an answer and, unless they are dropped, on a dialogue of more
  /// than data.max_tokens; DataError on an empty split.
  TrainingRecords(const DataOptions& options, const OpenBundle& bundle);

  const DataOptions& options() const { return options_; }
  std::size_t size() const { return records_.size(); }
  const TrainingRecord& operator[](std::size_t index) const { return records_[index]; }
  auto begin() const { return records_.begin(); }
  auto end() const { return records_.end(); }

  /// The index of one record for each distinct image.
  std::map<ImageSource, std::size_t> images() const;
  /// What was left out while the manifests were read.
  const std::vector<BadSample>& left_out() const { return left_out_; }
  /// (path, sha256) of every manifest read.
  std::vector<std::pair<std::string, std::string>> manifest_hashes() const;

 private:
  const Manifest& open_manifest(const std::string& path);
  void add_source(std::size_t source, const OpenBundle& bundle);
  TrainingRecord render(const Record& record, const OpenBundle& bundle) const;

  DataOptions options_;
  std::vector<std::unique_ptr<Manifest>> manifests_;
  std::vector<TrainingRecord> records_;
  std::vector<BadSample> left_out_;
};

/// Reads a manifest. With kQuarantine, lines that are no records are left out and added to
/// `left_out`. \throws DataError.
Manifest read_manifest(const std::string& path, OnBadSample on_bad_sample,
                       std::vector<BadSample>& left_out);

}  // namespace medseg
