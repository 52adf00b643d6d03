/// \file
/// What a run leaves behind:
///
///     config.json      effective config; training from it repeats the run
///     run.json         command, versions, data hashes, seed, threads; at the end where the time went
///     metrics.jsonl    a line per optimiser step, a line per evaluation
///     log.txt
///     checkpoints/step-00000500/   bundles with the state to go on from (training.json, training.safetensors)
///     best, last       links to two of them
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint(std::int64_t step) const;

  /// A new run: an earlier one that never saved is cleared away. \throws ConfigError if one with checkpoints stands here,
  /// DataError if the folder cannot be written.
  void create();
  /// Step of the newest checkpoint, if there is one.
  std::optional<std::int64_t> last_step() const;

  /// \throws ConfigError naming the first key in which `config` differs from the run's, but for keys that may change:
  /// train.{steps,evaluate_every,evaluate_limit,save_every,keep,time_limit_s,threads}, data.{workers,cache_gb}.
  void require_same_config(const nlohmann::json& config) const;

  void write_config(const nlohmann::json& config) const;
  void write_run(const nlohmann::json& run) const;
  void add_metrics(const nlohmann::ordered_json& line) const;
  /// Makes the folder what it was when `step` was saved: later lines of metrics.jsonl go, and what a killed save left.
  void rewind(std::int64_t step) const;

  /// Points `last` (and `best`) at the checkpoints of these steps, then removes all but the `keep` newest and these two.
  void publish(std::int64_t last, std::optional<std::int64_t> best, std::int64_t keep) const;

 private:
  std::vector<std::int64_t> steps() const;  ///< of the checkpoints, ascending

  std::filesystem::path path_;
};

}  // namespace medseg
