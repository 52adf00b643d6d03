/// \file
/// What a run leaves behind:
///
///     config.json      effective config; training from it repeats the run
///     run.json         command, versions, data hashes, coverage of the data (coverage.h), seed, threads, the machine; at the end
///                      where the time went
///     metrics.jsonl    a line per optimiser step, a line per evaluation
///     quarantine.jsonl             a line per record that was left out as bad; only where there are any
///     log.txt
///     run.html, events.out.tfevents.*, answers/   what a person looks at (run_view.h)
///     trace.json       of --profile (step_profile.h)
///     checkpoints/step-00000500/   bundles with the state to go on from (training.json, training.safetensors)
///     best, last       links to two of them; best-SCORE to the best by each score of train.also_best
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
  /// Of several processes only one `writes`; for the others everything that would change the folder does nothing.
  explicit RunFolder(std::filesystem::path path, bool writes = true)
      : path_(std::move(path)), writes_(writes) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint(std::int64_t step) const;

  /// Makes the folder and keeps other processes out of it for as long as this object lives. \throws ConfigError if one is
  /// at work here, DataError if it cannot be written.
  void claim();
  /// \throws ConfigError if a run with checkpoints stands here.
  void require_new() const;
  /// A new run: an earlier one that never saved is cleared away. \throws ConfigError if one with checkpoints stands here,
  /// DataError if the folder cannot be written.
  void create();
  /// Step of the newest checkpoint, if there is one.
  std::optional<std::int64_t> last_step() const;
  /// Step of the newest checkpoint that is whole. Those that are not become checkpoints/damaged-step-…, with a warning.
  /// Nothing if no checkpoint was ever saved. \throws CheckpointError if all are damaged.
  std::optional<std::int64_t> newest_whole() const;

  /// \throws ConfigError naming the first key in which `config` differs from the run's, but for keys that may change:
  /// train.{steps,evaluate_every,evaluate_limit,save_every,keep,time_limit_s,threads,show_answers,activation_checkpointing,
  /// non_finite,non_finite_limit,optimizer.shard,distributed.timeout_s}, data.{workers,cache_gb,cache_dir,on_bad_sample,quarantine_limit}.
  void require_same_config(const nlohmann::json& config) const;
  /// Compares what checkpoints of this size need with what the file system has: a warning where not all that are kept at once
  /// will fit. \throws DataError with both numbers if not even one does, or if the folder of checkpoints cannot be written.
  void require_room(std::uint64_t checkpoint_bytes, std::int64_t kept) const;

  /// A warning for every manifest whose bytes are no longer those in run.json: the run goes on, but not as it would have.
  void compare_data(const std::vector<std::pair<std::string, std::string>>& manifest_hashes) const;

  void write_config(const nlohmann::json& config) const;
  void write_run(const nlohmann::json& run) const;
  /// A line that cannot be written waits, with a warning, for the next one or for sync_metrics().
  void add_metrics(const nlohmann::ordered_json& line);
  /// All lines are on the disk when this returns. \throws DataError.
  void sync_metrics();
  /// Makes the folder what it was when `step` was saved: later lines of metrics.jsonl go, those of an evaluation of that step
  /// too if it still `owes_evaluation`, and what a killed save or removal left.
  void rewind(std::int64_t step, bool owes_evaluation = false) const;

  /// Points `last` and the links of `best` ("best", "best-giou", …) at the checkpoints of their steps, then removes all but
  /// the `keep` newest and these.
  void publish(std::int64_t last, const std::map<std::string, std::int64_t>& best,
               std::int64_t keep) const;

 private:
  std::vector<std::int64_t> steps() const;  ///< of the checkpoints, ascending

  std::filesystem::path path_;
  bool writes_;
  std::unique_ptr<FileLock> lock_;
  std::string waiting_;  ///< lines of metrics.jsonl that found no room
};

}  // namespace medseg
