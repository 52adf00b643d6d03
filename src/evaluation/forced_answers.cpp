#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/clock.h"
#include "medseg/base/signals.h"
#include "medseg/dataset/turns.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/segmenter.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/pipeline/sample.h"
#include "record_answers.h"

namespace medseg {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

/// What the pass gives for the k-th `[SEG]` of the whole dialogue.
struct Drawn {
  at::Tensor logits;         // [K, H, W] float32, image frame
  at::Tensor predicted_iou;  // [K]
  at::Tensor probability;    // [K], of [SEG] after the state that predicts it
};

Drawn draw(const OpenBundle& bundle, const Sample& sample) {
  const auto& model = *bundle.model;
  const auto output = model.forward(make_batch({&sample}));
  const auto decoded = model.grounding().decode(
      sample.features->grounding.to(at::kFloat).unsqueeze(0), output.prompts);
  const auto seg = bundle.options.special_tokens.at(kSegToken);
  return {upscale_masks(decoded.mask_logits, sample.features->frame).to(at::kCPU, at::kFloat),
          decoded.predicted_iou.flatten().to(at::kCPU, at::kDouble),
          model.language()
              .few_logits(output.seg_hidden)
              .softmax(1)
              .select(1, seg)
              .to(at::kCPU, at::kDouble)};
}

Prediction begun(const Work& work, std::size_t turn, const std::string& question,
                 const std::string& answer) {
  Prediction prediction;
  prediction.id = work.record->id;
  prediction.turn = static_cast<int>(turn);
  prediction.question = question;
  prediction.text = answer;
  prediction.phrases = phrases_of(answer);
  prediction.finish = Finish::kEos;
  return prediction;
}

PredictedMask mask_of(const Drawn& drawn, std::int64_t k, const EvaluationOptions& options,
                      const Work& work, std::size_t turn, std::size_t mask) {
  GeneratedMask made;
  made.logits = drawn.logits[k];
  made.seg_probability = drawn.probability[k].item<double>();
  made.predicted_iou = drawn.predicted_iou[k].item<double>();
  return {encode_rle(mask_from_logits(made.logits)), made.seg_probability, made.predicted_iou,
          made.score(), keep_probabilities(options.maps_folder, work, turn, mask, made.logits)};
}

Sample with_features(Sample sample, FeatureCache& cache) {
  find_features(sample, cache);
  compute_features(sample, cache);
  return sample;
}

// The record as one dialogue with its own answers.
void force_references(const OpenBundle& bundle, const Manifest& manifest, const Work& work,
                      FeatureCache& cache, const EvaluationOptions& options,
                      std::vector<Prediction>& predictions) {
  Record record = *work.record;
  for (auto& turn : record.turns) turn.question = asked(turn.question, options);
  const auto sample = with_features(read_sample(manifest, record, bundle), cache);
  const bool draws = bundle.model->has_grounding() && !sample.dialogue.seg_positions.empty();
  const Drawn drawn = draws ? draw(bundle, sample) : Drawn{};
  std::int64_t k = 0;
  const auto turns = answered_turns(record);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    predictions.push_back(begun(work, i, turns[i]->question, turns[i]->answer));
    const auto masks = draws ? count_of(turns[i]->answer, kSegToken) : 0;
    for (std::size_t m = 0; m < masks; ++m)
      predictions.back().masks.push_back(mask_of(drawn, k++, options, work, i, m));
  }
}

// Every turn on its own, as peers ask, with one answer for all.
void force_answer(const OpenBundle& bundle, const Manifest& manifest, const Work& work,
                  FeatureCache& cache, const EvaluationOptions& options,
                  std::vector<Prediction>& predictions) {
  const auto turns = answered_turns(*work.record);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const bool draws = bundle.model->has_grounding() && !turns[i]->masks.empty();
    const auto question = asked(turns[i]->question, options);
    predictions.push_back(
        begun(work, i, question, draws ? options.forced_answer : turns[i]->answer));
    if (!draws) continue;
    Record alone = *work.record;
    alone.turns = {*turns[i]};
    alone.turns[0].question = bundle.first_question(question);
    alone.turns[0].answer = options.forced_answer;
    alone.turns[0].masks.assign(count_of(options.forced_answer, kSegToken), turns[i]->masks[0]);
    const auto sample = with_features(read_sample(manifest, alone, bundle), cache);
    const Drawn drawn = draw(bundle, sample);
    for (std::size_t m = 0; m < turns[i]->masks.size(); ++m)
      predictions.back().masks.push_back(mask_of(drawn, 0, options, work, i, m));
  }
}

}  // namespace

void force_answers(const OpenBundle& bundle, const Manifest& manifest,
                   const std::vector<Work>& work, FeatureCache& cache,
                   const EvaluationOptions& options, const AnswerSink& sink) {
  for (const Work& one : work) {
    if (caught_signal() != 0) return;
    RecordAnswers answers{one, {}, ""};
    try {
      const at::NoGradGuard no_grad;
      const Stopwatch watch;
      const auto force = options.forced_answer.empty() ? force_references : force_answer;
      force(bundle, manifest, one, cache, options, answers.predictions);
      for (auto& prediction : answers.predictions)
        prediction.seconds = watch.seconds() / static_cast<double>(answers.predictions.size());
    } catch (const DataError& error) {
      answers.failure = error.what();
      answers.predictions.clear();
      add_failed_turns(*one.record, 0, answers.predictions);
    }
    sink(std::move(answers));
  }
}

}  // namespace medseg
