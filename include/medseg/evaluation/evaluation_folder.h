/// \file
/// The folder of one evaluation: answers are kept as they come, so that it can be stopped at any
/// moment and go on.
///
/// - `predictions.jsonl`: whole records are appended as they are answered, and reach the disk
///   within seconds. At the end the file is put into the manifest's order.
/// - `predictions.part-N.jsonl`: the same of process N, while several work; gone at the end.
/// - `evaluation.json`: what was asked, by which model and how; at the end `complete` and times.
/// - `scores.json`, `maps/`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/base/clock.h"
#include "medseg/base/file_lock.h"
#include "medseg/comm/comm.h"
#include "medseg/dataset/contamination.h"
#include "medseg/evaluation/evaluator.h"

namespace medseg {

/// What the answers depend on; the keys of evaluation.json. An evaluation goes on only where all of
/// it is the same.
struct EvaluationFacts {
  std::string manifest;       ///< absolute path
  std::string manifest_hash;  ///< SHA-256 of the file
  std::string split;
  std::string model;       ///< absolute path of the bundle
  std::string model_hash;  ///< of its config.json and the sizes of its weight files
  AnswerMode mode = AnswerMode::kGenerate;
  History history = History::kOwn;
  std::string question, forced_answer;  ///< as EvaluationOptions has them
  std::string precision;
  std::int64_t max_new_tokens = 0;
  std::int64_t limit = 0;
  bool keeps_logits = false;
};

/// \throws DataError if the manifest or the bundle cannot be read.
EvaluationFacts facts_of(const std::filesystem::path& manifest, const std::string& split,
                         const std::filesystem::path& model, const EvaluationOptions& options,
                         const std::string& precision);

class EvaluationFolder {
 public:
  /// Locks the folder if it is there and, with `resume`, reads what was answered; answers that
  /// failed are asked again. Writes nothing: what can be refused is refused before a model is
  /// opened. Collective. \throws ConfigError if what is there was asked otherwise, or while another
  /// process works in the folder.
  EvaluationFolder(std::filesystem::path path, EvaluationFacts facts, const Manifest& manifest,
                   bool resume, Comm& comm);
  /// Makes the folder and writes what is known. Without `resume` an unfinished evaluation is moved
  /// aside as predictions.before.jsonl, which is said. Collective.
  void begin();

  const std::filesystem::path& path() const { return path_; }
  const std::vector<Prediction>& answered() const { return answered_; }
  /// Appends one record's predictions.
  void add(const std::vector<Prediction>& record);
  /// Rank 0 writes the whole: predictions in order, scores.json, evaluation.json.
  /// `seen`: what of the split the model was trained on.
  void finish(const Evaluation& evaluation, double seconds, const SeenInTraining& seen);
  ~EvaluationFolder();

 private:
  std::filesystem::path own_file() const;
  void require_same_facts() const;
  void read_answered(const Manifest& manifest);
  void set_aside_unfinished() const;

  std::filesystem::path path_;
  EvaluationFacts facts_;
  bool resume_;
  Comm& comm_;
  std::optional<FileLock> lock_;
  std::vector<Prediction> answered_;
  Stopwatch since_sync_;
  bool unsynced_ = false;
};

}  // namespace medseg
