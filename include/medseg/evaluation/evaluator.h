/// \file
/// Evaluation: every turn of a split is asked, answered and scored.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/comm/comm.h"
#include "medseg/evaluation/predictions.h"
#include "medseg/generation/generate.h"

namespace medseg {

/// Where an answer's words come from.
enum class AnswerMode {
  kGenerate,       ///< the model's own, greedy
  kTeacherForced,  ///< the reference's; only the masks are the model's. A miss cannot happen
};
template <>
struct Choice<AnswerMode> {
  static constexpr ChoiceNames<AnswerMode, 2> names = {
      {{AnswerMode::kGenerate, "generate"}, {AnswerMode::kTeacherForced, "teacher-forced"}}};
};

/// Which earlier answers a later turn of the dialogue sees.
enum class History { kOwn, kReference };
template <>
struct Choice<History> {
  static constexpr ChoiceNames<History, 2> names = {
      {{History::kOwn, "own"}, {History::kReference, "reference"}}};
};

struct EvaluationOptions {
  GenerationOptions generation;
  AnswerMode mode = AnswerMode::kGenerate;
  /// Within a record the model's own earlier answers are the history, as for a user, or the
  /// reference's.
  History history = History::kOwn;
  /// How a question is asked; {question} stands for the manifest's.
  std::string question = "{question}";
  /// The answer that kTeacherForced gives to every turn with masks, asked on its own; each mask of
  /// the turn takes the answer's first `[SEG]`. "": the reference's answers, as one dialogue.
  std::string forced_answer;
  std::int64_t limit = 0;  ///< records, spread evenly over the split; 0 is all
  std::int64_t batch = 1;  ///< dialogues that are answered side by side
  at::ScalarType precision = at::kBFloat16;
  bool show_progress = true;
  Comm* comm = nullptr;  ///< several processes divide the records among each other

  /// Records that cannot be asked are counted as failed, so many at most; nothing: the first one
  /// ends the evaluation.
  std::optional<std::int64_t> max_failed;
  /// A folder for the mask probabilities as 8-bit images; "": none are kept.
  std::filesystem::path maps_folder;
  /// Whole records that were answered before; they are not asked again.
  std::vector<Prediction> answered;
  /// Is given every record's predictions as soon as its last turn is answered.
  std::function<void(const std::vector<Prediction>&)> on_record;
};

struct FailedRecord {
  std::string id;
  int line = 0;  ///< in the manifest
  std::string what;
};

struct Evaluation {
  std::vector<Prediction> predictions;  ///< in the manifest's order
  std::vector<FailedRecord> failed;     ///< of this call
  Scores scores;
};

/// `limit` records spread evenly over the split, so that a manifest sorted by subject loses none.
/// \throws DataError if the split has no record.
std::vector<const Record*> chosen_records(const Manifest& manifest, const std::string& split,
                                          std::int64_t limit);

/// A record's answers have the same bits whatever the batch, wherever Dialogue promises it. With
/// options.comm, of N ranks each takes every N-th record and gets the predictions of all, in order
/// and each once, with their scores: those of one process.
/// \throws Interrupted between tokens after a signal (on any rank), while a SignalWatch exists;
/// what `on_record` was given is whole. DataError beyond max_failed.
Evaluation evaluate(const OpenBundle& bundle, const Manifest& manifest, const std::string& split,
                    FeatureCache& cache, const EvaluationOptions& options);

}  // namespace medseg
