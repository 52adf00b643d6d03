#include "medseg/evaluation/evaluator.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "medseg/base/clock.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/nn/autocast.h"
#include "record_answers.h"

namespace medseg {
namespace {

using Json = nlohmann::json;

/// What this process has answered, and how far it is.
class Answered {
 public:
  Answered(const std::string& split, std::size_t work, const EvaluationOptions& options)
      : options_(options), total_(static_cast<std::int64_t>(work)) {
    if (options.show_progress) progress_.emplace("evaluate " + split, total_);
  }

  void add(RecordAnswers answers) {
    const Record& record = *answers.work.record;
    if (!answers.failure.empty()) note_failure(record, answers.failure);
    for (const auto& prediction : answers.predictions) tokens_ += prediction.new_tokens;
    if (options_.on_record) options_.on_record(answers.predictions);
    for (auto& prediction : answers.predictions) predictions_.push_back(std::move(prediction));
    ++done_;
    if (!progress_) return;
    std::string note =
        str_cat(fixed(static_cast<double>(tokens_) / watch_.seconds(), 1), " tokens/s");
    if (!failed_.empty()) note += str_cat(", ", failed_.size(), " failed");
    progress_->update(done_, note);
  }

  std::vector<Prediction> take_predictions() { return std::move(predictions_); }
  std::vector<FailedRecord> take_failed() { return std::move(failed_); }

 private:
  void note_failure(const Record& record, const std::string& what) {
    if (!options_.max_failed) throw DataError(what);
    failed_.push_back({record.id, record.line, what});
    log_warning(str_cat("record ", record.id, " counts as failed: ", what));
    const auto count = static_cast<std::int64_t>(failed_.size());
    if (count > *options_.max_failed) {
      throw DataError(str_cat(count, " records cannot be asked, ", *options_.max_failed,
                              " are allowed (--max-failed); the first: ", failed_.front().what));
    }
  }

  const EvaluationOptions& options_;
  std::int64_t total_, done_ = 0, tokens_ = 0;
  Stopwatch watch_;
  std::optional<Progress> progress_;
  std::vector<Prediction> predictions_;
  std::vector<FailedRecord> failed_;
};

// Every rank's predictions and failures. \throws Interrupted if a rank was interrupted.
void gather(Evaluation& evaluation, int signal, Comm& comm) {
  Json sent = {{"signal", signal}, {"lines", Json::array()}, {"failed", Json::array()}};
  for (const auto& prediction : evaluation.predictions)
    sent["lines"].push_back(to_json_line(prediction));
  for (const auto& failed : evaluation.failed)
    sent["failed"].push_back({failed.id, failed.line, failed.what});
  evaluation = {};
  for (const auto& text :
       comm.all_gather(sent.dump(-1, ' ', false, Json::error_handler_t::replace))) {
    const auto received = Json::parse(text);
    signal = std::max(signal, received["signal"].get<int>());
    for (const auto& line : received["lines"])
      evaluation.predictions.push_back(from_json_line(line.get<std::string>()));
    for (const auto& failed : received["failed"])
      evaluation.failed.push_back({failed[0], failed[1], failed[2]});
  }
  if (signal != 0) throw Interrupted(signal);
}

// The manifest's order; turns of a record as they follow each other.
void sort_by_record(std::vector<Prediction>& predictions,
                    const std::vector<const Record*>& records) {
  std::map<std::string, std::size_t> order;
  for (std::size_t i = 0; i < records.size(); ++i) order[records[i]->id] = i;
  std::sort(predictions.begin(), predictions.end(), [&](const auto& a, const auto& b) {
    const auto first = order.at(a.id), second = order.at(b.id);
    return first != second ? first < second : a.turn < b.turn;
  });
}

}  // namespace

std::vector<const Record*> chosen_records(const Manifest& manifest, const std::string& split,
                                          std::int64_t limit) {
  const auto all = manifest.split(split);
  if (all.empty())
    throw DataError(manifest.path().string(), "no record in split \"" + split + "\"");
  const auto wanted = static_cast<std::size_t>(limit);
  if (limit <= 0 || wanted >= all.size()) return all;
  std::vector<const Record*> chosen;
  for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(all[i * all.size() / wanted]);
  return chosen;
}

Evaluation evaluate(const OpenBundle& bundle, const Manifest& manifest, const std::string& split,
                    FeatureCache& cache, const EvaluationOptions& options) {
  const AutocastScope autocast(bundle.model->device().type(), options.precision);
  const auto records = chosen_records(manifest, split, options.limit);
  const bool alone = options.comm == nullptr || options.comm->is_alone();
  const std::size_t rank = alone ? 0 : static_cast<std::size_t>(options.comm->rank()),
                    ranks = alone ? 1 : static_cast<std::size_t>(options.comm->size());
  std::set<std::string> known;
  for (const auto& prediction : options.answered) known.insert(prediction.id);
  std::vector<Work> left, own;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!known.contains(records[i]->id)) left.push_back({i, records[i]});
  }
  for (auto i = rank; i < left.size(); i += ranks) own.push_back(left[i]);

  Evaluation evaluation;
  {
    Answered answered(split, own.size(), options);
    const AnswerSink sink = [&](RecordAnswers answers) { answered.add(std::move(answers)); };
    const auto answer = options.mode == AnswerMode::kGenerate ? generate_answers : force_answers;
    answer(bundle, manifest, own, cache, options, sink);
    evaluation.predictions = answered.take_predictions();
    evaluation.failed = answered.take_failed();
  }
  if (alone) {
    stop_if_signalled();
  } else {
    gather(evaluation, caught_signal(), *options.comm);
  }
  evaluation.predictions.insert(evaluation.predictions.end(), options.answered.begin(),
                                options.answered.end());
  sort_by_record(evaluation.predictions, records);
  evaluation.scores =
      score_predictions(evaluation.predictions, manifest, split, /*partial=*/options.limit > 0);
  return evaluation;
}

}  // namespace medseg
