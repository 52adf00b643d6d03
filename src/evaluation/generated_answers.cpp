#include <algorithm>
#include <memory>

#include <ATen/ATen.h>

#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/image/codec.h"
#include "record_answers.h"

namespace medseg {
namespace {

/// A record whose dialogue is under way.
class Asked {
 public:
  /// Reads the record and begins its first turn. \throws DataError.
  Asked(const OpenBundle& bundle, const Manifest& manifest, const Work& work, FeatureCache& cache,
        const EvaluationOptions& options)
      : options_(options),
        turns_(answered_turns(*work.record)),
        dialogue_(bundle, features_of(manifest, work, cache), options.generation) {
    answers_.work = work;
    if (!turns_.empty()) dialogue_.begin(asked(turns_.front()->question, options_));
  }

  Dialogue* answering() { return dialogue_.is_answering() ? &dialogue_ : nullptr; }

  /// Takes the answer that is complete and begins the next turn. True once the record is done.
  bool go_on() {
    while (!is_done() && !dialogue_.is_answering()) {
      take(dialogue_.end());
      if (is_done()) break;
      try {
        dialogue_.begin(asked(turns_[answers_.predictions.size()]->question, options_));
      } catch (const DataError& error) {
        answers_.failure = error.what();
        add_failed_turns(*answers_.work.record, answers_.predictions.size(), answers_.predictions);
      }
    }
    return is_done();
  }

  RecordAnswers& answers() { return answers_; }

 private:
  static std::shared_ptr<const ImageFeatures> features_of(const Manifest& manifest,
                                                          const Work& work, FeatureCache& cache) {
    const Image image = load_image(manifest, *work.record);
    // A mask that cannot be read could not be scored: better known before the record is asked.
    for (const auto* turn : answered_turns(*work.record)) {
      for (const auto& ids : turn->masks)
        load_mask(manifest, *work.record, ids, image.width, image.height);
    }
    return cache.get(image);
  }

  bool is_done() const { return answers_.predictions.size() == turns_.size(); }

  void take(const Answer& answer) {
    const auto index = answers_.predictions.size();
    const auto& turn = *turns_[index];
    Prediction prediction;
    prediction.id = answers_.work.record->id;
    prediction.turn = static_cast<int>(index);
    prediction.question = turn.question;
    prediction.text = answer.text;
    prediction.phrases = answer.phrases;
    for (std::size_t k = 0; k < answer.masks.size(); ++k) {
      const auto& mask = answer.masks[k];
      prediction.masks.push_back(
          {encode_rle(mask.mask), mask.seg_probability, mask.predicted_iou, mask.score(),
           keep_probabilities(options_.maps_folder, answers_.work, index, k, mask.logits)});
    }
    prediction.finish = answer.finish;
    prediction.new_tokens = static_cast<std::int64_t>(answer.ids.size());
    prediction.seconds = answer.seconds;
    answers_.predictions.push_back(std::move(prediction));
    if (options_.history == History::kReference) dialogue_.replace_last_answer(turn.answer);
  }

  const EvaluationOptions& options_;
  std::vector<const RecordTurn*> turns_;
  RecordAnswers answers_;
  Dialogue dialogue_;
};

}  // namespace

std::string asked(const std::string& question, const EvaluationOptions& options) {
  const std::string slot = "{question}";
  const auto at = options.question.find(slot);
  if (at == std::string::npos) return options.question;
  // The image stays in front of whatever the template puts before the question.
  const bool shows = question.starts_with(kImagePlace);
  const auto words = shows ? trim(question.substr(std::string(kImagePlace).size())) : question;
  auto text = options.question;
  text.replace(at, slot.size(), words);
  return shows ? str_cat(kImagePlace, "\n", text) : text;
}

void add_failed_turns(const Record& record, std::size_t first,
                      std::vector<Prediction>& predictions) {
  const auto turns = answered_turns(record);
  for (auto i = first; i < turns.size(); ++i) {
    Prediction prediction;
    prediction.id = record.id;
    prediction.turn = static_cast<int>(i);
    prediction.question = turns[i]->question;
    prediction.failed = true;
    predictions.push_back(std::move(prediction));
  }
}

std::string keep_probabilities(const std::filesystem::path& maps_folder, const Work& work,
                               std::size_t turn, std::size_t mask, const at::Tensor& logits) {
  if (maps_folder.empty()) return "";
  // Numbers, not ids: an id may hold what a file name may not.
  const std::string name = str_cat(work.index, "-", turn, "-", mask, ".png");
  const auto grey = (logits.sigmoid() * 255.0 + 0.5).floor().to(at::kByte).contiguous();
  Image map{static_cast<int>(grey.size(1)), static_cast<int>(grey.size(0)), 1, {}};
  map.pixels.assign(grey.const_data_ptr<std::uint8_t>(),
                    grey.const_data_ptr<std::uint8_t>() + grey.numel());
  write_png(maps_folder / name, map);
  return (maps_folder.filename() / name).string();
}

void generate_answers(const OpenBundle& bundle, const Manifest& manifest,
                      const std::vector<Work>& work, FeatureCache& cache,
                      const EvaluationOptions& options, const AnswerSink& sink) {
  std::vector<std::unique_ptr<Asked>> asked;
  std::size_t next = 0;
  const auto give = [&](Asked& one) { sink(std::move(one.answers())); };
  while (caught_signal() == 0 && (next < work.size() || !asked.empty())) {
    while (next < work.size() && static_cast<std::int64_t>(asked.size()) < options.batch) {
      const Work& one = work[next++];
      try {
        asked.push_back(std::make_unique<Asked>(bundle, manifest, one, cache, options));
      } catch (const DataError& error) {
        RecordAnswers failed{one, {}, error.what()};
        add_failed_turns(*one.record, 0, failed.predictions);
        sink(std::move(failed));
      }
    }
    std::vector<Dialogue*> answering;
    for (const auto& one : asked) {
      if (auto* dialogue = one->answering()) answering.push_back(dialogue);
    }
    Dialogue::advance(answering);
    std::erase_if(asked, [&](const auto& one) {
      if (!one->go_on()) return false;
      give(*one);
      return true;
    });
  }
}

}  // namespace medseg
