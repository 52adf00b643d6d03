#include "medseg/training/step.h"

#include <cmath>
#include <optional>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

double finite(const char* part, const at::Tensor& loss, const TrainingBatch& batch,
              std::int64_t step) {
  const auto value = loss.item<double>();
  if (std::isfinite(value)) return value;
  throw RunStopped(
      str("step ", step + 1, ": ", part, " is ", value, "; records ", join(batch.ids, ", ")));
}

}  // namespace

MicroBatchOutput forward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                                     const LossOptions& weights, TimeTable& times) {
  MicroBatchOutput output;
  std::optional<TimeTable::Scope> scope(std::in_place, times, "language forward");
  output.language = model.forward(batch.dialogues, {.prompt_gradient = weights.prompt_gradient,
                                                    .label_smoothing = weights.label_smoothing});
  const auto& prompts = output.language.prompts;
  BatchMaskLosses losses{at::zeros({}), at::zeros({})};
  if (prompts.defined() && prompts.size(0) > 0) {
    scope.emplace(times, "decoder forward");
    output.masks = model.grounding().decode_batch(batch.image_embeddings, prompts,
                                                  output.language.seg_dialogue);
    scope.emplace(times, "losses");
    const AutocastScope full_precision(at::kCPU, at::kFloat);
    if (!batch.truths.empty()) losses = batch_mask_losses(output.masks.mask_logits, batch.truths);
  }
  output.bce = losses.bce;
  output.dice = losses.dice;
  output.total = output.language.text_loss * weights.text + losses.bce * weights.bce +
                 losses.dice * weights.dice;
  return output;
}

void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay) {
  MicroBatchOutput output;
  {
    const AutocastScope autocast(at::kCPU,
                                 options.precision == "bf16" ? at::kBFloat16 : at::kFloat);
    output = forward_micro_batch(model, batch, options.loss, times);
  }
  if (replay != nullptr && batch.masks > 0 && model.has_grounding())
    replay->remember(batch.targets, output.language.prompts);
  const double share = 1.0 / static_cast<double>(options.accumulation);
  report.text += share * finite("loss_text", output.language.text_loss, batch, step);
  report.bce += share * finite("loss_bce", output.bce, batch, step);
  report.dice += share * finite("loss_dice", output.dice, batch, step);
  report.total += share * finite("loss", output.total, batch, step);
  report.tokens += batch.tokens;
  report.labelled += output.language.labelled;
  report.masks += batch.masks;
  report.samples += static_cast<std::int64_t>(batch.ids.size());
  report.ids.insert(report.ids.end(), batch.ids.begin(), batch.ids.end());

  const TimeTable::Scope scope(times, "backward");
  (output.total * share).backward();
}

}  // namespace medseg
