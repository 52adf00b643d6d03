// Records are asked, several side by side; each comes back whole or with the reason why not.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "medseg/evaluation/evaluator.h"

namespace medseg {

/// One record of the work.
struct Work {
  std::size_t index;  ///< in the chosen records
  const Record* record;
};

struct RecordAnswers {
  Work work;
  std::vector<Prediction> predictions;  ///< one a turn; those that could not be asked are `failed`
  std::string failure;                  ///< "" where all turns were answered
};

using AnswerSink = std::function<void(RecordAnswers)>;

/// Generates; up to options.batch dialogues at a time. Ends early, without the records it was at,
/// after a signal.
void generate_answers(const OpenBundle& bundle, const Manifest& manifest,
                      const std::vector<Work>& work, FeatureCache& cache,
                      const EvaluationOptions& options, const AnswerSink& sink);

/// One pass over each dialogue with its reference answers; the masks of their `[SEG]`.
void force_answers(const OpenBundle& bundle, const Manifest& manifest,
                   const std::vector<Work>& work, FeatureCache& cache,
                   const EvaluationOptions& options, const AnswerSink& sink);

/// A question as it is asked.
std::string asked(const std::string& question, const EvaluationOptions& options);

/// The turns of a record from `first` on, as not to be asked.
void add_failed_turns(const Record& record, std::size_t first,
                      std::vector<Prediction>& predictions);

/// Writes the probabilities σ(logits) of the mask of one `[SEG]` beside the predictions, as
/// q = floor(255 σ + 0.5), and returns its path relative to predictions.jsonl. "" without a folder.
std::string keep_probabilities(const std::filesystem::path& maps_folder, const Work& work,
                               std::size_t turn, std::size_t mask, const at::Tensor& logits);

}  // namespace medseg
