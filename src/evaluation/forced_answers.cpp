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

std::vector<Prediction> predictions_of(const OpenBundle& bundle, const Manifest& manifest,
                                       const Work& work, FeatureCache& cache,
                                       const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const Stopwatch watch;
  Sample sample = read_sample(manifest, *work.record, bundle);
  find_features(sample, cache);
  compute_features(sample, cache);
  const bool draws = bundle.model->has_grounding() && !sample.dialogue.seg_positions.empty();
  const Drawn drawn = draws ? draw(bundle, sample) : Drawn{};
  std::vector<Prediction> predictions;
  std::int64_t k = 0;
  const auto turns = answered_turns(*work.record);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    Prediction prediction;
    prediction.id = work.record->id;
    prediction.turn = static_cast<int>(i);
    prediction.question = turns[i]->question;
    prediction.text = turns[i]->answer;
    prediction.phrases = phrases_of(turns[i]->answer);
    const auto masks = draws ? count_of(turns[i]->answer, kSegToken) : 0;
    for (std::size_t m = 0; m < masks; ++m, ++k) {
      GeneratedMask mask;
      mask.logits = drawn.logits[k];
      mask.seg_probability = drawn.probability[k].item<double>();
      mask.predicted_iou = drawn.predicted_iou[k].item<double>();
      prediction.masks.push_back(
          {encode_rle(mask_from_logits(mask.logits)), mask.seg_probability, mask.predicted_iou,
           mask.score(), keep_probabilities(options.maps_folder, work, i, m, mask.logits)});
    }
    prediction.finish = Finish::kEos;
    predictions.push_back(std::move(prediction));
  }
  for (auto& prediction : predictions)
    prediction.seconds = watch.seconds() / static_cast<double>(predictions.size());
  return predictions;
}

}  // namespace

void force_answers(const OpenBundle& bundle, const Manifest& manifest,
                   const std::vector<Work>& work, FeatureCache& cache,
                   const EvaluationOptions& options, const AnswerSink& sink) {
  for (const Work& one : work) {
    if (caught_signal() != 0) return;
    RecordAnswers answers{one, {}, ""};
    try {
      answers.predictions = predictions_of(bundle, manifest, one, cache, options);
    } catch (const DataError& error) {
      answers.failure = error.what();
      add_failed_turns(*one.record, 0, answers.predictions);
    }
    sink(std::move(answers));
  }
}

}  // namespace medseg
