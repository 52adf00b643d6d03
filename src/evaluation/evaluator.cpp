#include "medseg/evaluation/evaluator.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/nn/autocast.h"
#include "medseg/report/scores_text.h"

namespace medseg {
namespace {

// `limit` records spread evenly over the split, so that a manifest sorted by subject loses none.
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

Prediction prediction_of(const Record& record, std::size_t turn, const std::string& question,
                         const Answer& answer) {
  Prediction prediction;
  prediction.id = record.id;
  prediction.turn = static_cast<int>(turn);
  prediction.question = question;
  prediction.text = answer.text;
  prediction.phrases = answer.phrases;
  for (const auto& mask : answer.masks) {
    prediction.masks.push_back(
        {encode_rle(mask.mask), mask.seg_probability, mask.predicted_iou, mask.score()});
  }
  prediction.finish = answer.finish;
  prediction.new_tokens = static_cast<std::int64_t>(answer.ids.size());
  prediction.seconds = answer.seconds;
  return prediction;
}

// Every rank's predictions, record by record. `records`: of each of `own`, the index of its record
// in the split. \throws Interrupted if a rank was interrupted.
std::vector<Prediction> gathered(const std::vector<std::size_t>& records,
                                 const std::vector<Prediction>& own, int signal, Comm& comm) {
  nlohmann::json sent = {{"signal", signal}, {"lines", nlohmann::json::array()}};
  for (std::size_t i = 0; i < own.size(); ++i)
    sent["lines"].push_back({records[i], to_json_line(own[i])});
  std::vector<std::pair<std::size_t, std::string>> all;
  for (const auto& text : comm.all_gather(sent.dump())) {
    const auto received = nlohmann::json::parse(text);
    signal = std::max(signal, received["signal"].get<int>());
    for (const auto& pair : received["lines"])
      all.emplace_back(pair[0].get<std::size_t>(), pair[1].get<std::string>());
  }
  if (signal != 0) throw Interrupted(signal);
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Prediction> predictions;
  for (const auto& [record, line] : all) predictions.push_back(from_json_line(line));
  return predictions;
}

}  // namespace

Evaluation evaluate(const OpenBundle& bundle, const Manifest& manifest, const std::string& split,
                    FeatureCache& cache, const EvaluationOptions& options) {
  const AutocastScope autocast(bundle.model->device().type(), options.precision);
  const auto records = chosen_records(manifest, split, options.limit);
  const bool alone = options.comm == nullptr || options.comm->is_alone();
  const std::size_t first = alone ? 0 : static_cast<std::size_t>(options.comm->rank()),
                    stride = alone ? 1 : static_cast<std::size_t>(options.comm->size());
  Evaluation evaluation;
  ScoreBoard board;
  std::optional<Progress> progress;
  if (options.show_progress)
    progress.emplace("evaluate " + split, static_cast<std::int64_t>(records.size()));
  std::vector<std::size_t> indices;  // of the predictions' records
  int signal = 0;
  for (std::size_t done = first; done < records.size(); done += stride) {
    if (alone) stop_if_signalled();
    signal = caught_signal();
    if (signal != 0) break;  // the other ranks learn of it below
    const Record& record = *records[done];
    const std::string where = str_cat(manifest.path().string(), ":", record.line);
    const Image image = load_image(manifest, record);
    Dialogue dialogue(bundle, cache.get(image), options.generation);
    const auto turns = answered_turns(record);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      const Answer answer = dialogue.ask(turns[i]->question);
      evaluation.predictions.push_back(prediction_of(record, i, turns[i]->question, answer));
      indices.push_back(done);
      auto turn = expected_turn(manifest, record, *turns[i], image.width, image.height);
      add_prediction(turn, evaluation.predictions.back(), where, image.width, image.height);
      board.add(turn);
    }
    if (progress) {
      progress->update(static_cast<std::int64_t>(std::min(done + stride, records.size())),
                       str_cat("gIoU ", fixed(board.scores().giou, 3)));
    }
  }
  if (alone) {
    evaluation.scores = board.scores();
    return evaluation;
  }
  evaluation.predictions = gathered(indices, evaluation.predictions, signal, *options.comm);
  evaluation.scores =
      score_predictions(evaluation.predictions, manifest, split, /*partial=*/options.limit > 0);
  return evaluation;
}

void write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation) {
  std::string lines;
  for (const auto& prediction : evaluation.predictions) lines += to_json_line(prediction) + "\n";
  write_file(folder / "predictions.jsonl", lines);
  write_file(folder / "scores.json", scores_json(evaluation.scores) + "\n");
}

}  // namespace medseg
