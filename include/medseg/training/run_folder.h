/// \file
/// The files of a run:
///
///     config.json        effective config; training from it repeats the run
///     run.json           command, versions, data hashes, coverage of the data (coverage.h), seed,
///                        threads, machine, time and memory by part
///     metrics.jsonl      a line for each optimiser step and for each evaluation
///     quarantine.jsonl   a line for each record that was left out as bad, if there are any
///     log.txt
///     run.html, events.out.tfevents.*, answers/   for people (run_view.h)
///     trace.json         of --profile (step_profile.h)
///     checkpoints/step-00000500/   a bundle and the state to resume from (checkpoint.h)
///     best, last         links to checkpoints; best-SCORE for each score of train.also_best
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/file_lock.h"

namespace medseg {

class RunFolder {
 public:
  /// Of several processes only one `writes`; methods that change the folder do nothing in the
  /// others.
  explicit RunFolder(std::filesystem::path path, bool writes = true)
      : path_(std::move(path)), writes_(writes) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint(std::int64_t step) const;

  /// Makes the folder and locks it until this object is destroyed. \throws ConfigError if another
  /// process has locked it, DataError if it cannot be written.
  void claim();
  /// \throws ConfigError if the folder holds a run with checkpoints.
  void require_new() const;
  /// Begins a new run; files of an earlier run without checkpoints are removed. \throws ConfigError
  /// if there are checkpoints, DataError if the folder cannot be written.
  void create();
  /// Step of the newest checkpoint, if there is one.
  std::optional<std::int64_t> last_step() const;
  /// Step of the newest checkpoint that is not damaged; nothing if there are no checkpoints.
  /// Damaged ones that are newer are renamed to checkpoints/damaged-step-…, with a warning. \throws
  /// CheckpointError if all are damaged.
  std::optional<std::int64_t> newest_whole() const;

  /// \throws ConfigError naming the first key in which `config` differs from the run's, except for
  /// those that may change when a run is resumed (resume_check.cpp lists them).
  void require_same_config(const nlohmann::json& config) const;
  /// Warns if the file system has no room for as many checkpoints of this size as are kept at once.
  /// \throws DataError with both numbers if there is no room for one, or if checkpoints cannot be
  /// written.
  void require_room(std::uint64_t checkpoint_bytes, std::int64_t kept) const;

  /// Warns of every manifest whose hash differs from that in run.json: the next records are other
  /// ones than they would have been.
  void compare_data(const std::vector<std::pair<std::string, std::string>>& manifest_hashes) const;

  void write_config(const nlohmann::json& config) const;
  void write_run(const nlohmann::json& run) const;
  /// Appends a line to metrics.jsonl. If that fails it is kept, with a warning, and written with
  /// the next one or by sync_metrics().
  void add_metrics(const nlohmann::ordered_json& line);
  /// Writes all lines of metrics.jsonl to the disk. \throws DataError
  void sync_metrics();
  /// Brings the folder back to when `step` was saved: removes later lines of metrics.jsonl, those
  /// of an evaluation of that step if it is still due (`owes_evaluation`), and what was left by a
  /// save or removal that was killed.
  void rewind(std::int64_t step, bool owes_evaluation = false) const;

  /// Points the link `last` and the links of `best` ("best", "best-giou", …) to the checkpoints of
  /// their steps. Then removes all checkpoints but these and the `keep` newest.
  void publish(std::int64_t last, const std::map<std::string, std::int64_t>& best,
               std::int64_t keep) const;

 private:
  /// Of the checkpoints, ascending.
  std::vector<std::int64_t> steps() const;

  std::filesystem::path path_;
  bool writes_;
  std::unique_ptr<FileLock> lock_;
  /// Lines of metrics.jsonl that could not be written yet.
  std::string waiting_;
};

}  // namespace medseg
