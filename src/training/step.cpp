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

void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay) {
  SegmenterOutput output;
  BatchMaskLosses masks{at::zeros({}), at::zeros({})};
  {
    const AutocastScope autocast(at::kCPU,
                                 options.precision == "bf16" ? at::kBFloat16 : at::kFloat);
    std::optional<TimeTable::Scope> scope(std::in_place, times, "language forward");
    output = model.forward(batch.dialogues, {.prompt_gradient = options.loss.prompt_gradient,
                                             .label_smoothing = options.loss.label_smoothing});
    if (batch.masks > 0 && model.has_grounding()) {
      scope.emplace(times, "decoder forward");
      const auto decoded = model.grounding().decode_batch(batch.image_embeddings, output.prompts,
                                                          output.seg_dialogue);
      scope.emplace(times, "losses");
      const AutocastScope full_precision(at::kCPU, at::kFloat);
      masks = batch_mask_losses(decoded.mask_logits, batch.truths);
    }
  }
  if (replay != nullptr && batch.masks > 0 && model.has_grounding())
    replay->remember(batch.targets, output.prompts);
  const double share = 1.0 / static_cast<double>(options.accumulation);
  const LossOptions& weights = options.loss;
  report.text += share * finite("loss_text", output.text_loss, batch, step);
  report.bce += share * finite("loss_bce", masks.bce, batch, step);
  report.dice += share * finite("loss_dice", masks.dice, batch, step);
  const auto total =
      output.text_loss * weights.text + masks.bce * weights.bce + masks.dice * weights.dice;
  report.total += share * finite("loss", total, batch, step);
  report.tokens += batch.tokens;
  report.labelled += output.labelled;
  report.masks += batch.masks;
  report.samples += static_cast<std::int64_t>(batch.ids.size());
  report.ids.insert(report.ids.end(), batch.ids.begin(), batch.ids.end());

  const TimeTable::Scope scope(times, "backward");
  (total * share).backward();
}

}  // namespace medseg
