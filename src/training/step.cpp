#include "medseg/training/step.h"

#include <cmath>
#include <optional>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/precision.h"
#include "medseg/training/losses.h"

namespace medseg {
namespace {

// The value of a part of the loss, or 0 if it is not finite: then the step will be dropped.
double finite(const char* part, const at::Tensor& loss, const TrainingBatch& batch,
              const TrainOptions& options, std::int64_t step, StepReport& report) {
  const auto value = loss.item<double>();
  if (std::isfinite(value)) return value;
  const auto found =
      std::isnan(value) ? "nan" : str_cat(value);  // nan may have a sign, which says nothing
  const auto fault = str_cat(part, " is ", found, "; records ", join(batch.ids, ", "));
  if (options.non_finite == NonFinite::kStop)
    throw RunStopped(str_cat("step ", step + 1, ": ", fault));
  if (report.fault.empty()) report.fault = fault;
  return 0.0;
}

}  // namespace

MicroBatchOutput forward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                                     const LossOptions& weights, TimeTable& times) {
  MicroBatchOutput output;
  std::optional<TimeTable::Scope> scope(std::in_place, times, "language forward");
  output.language = model.forward(batch.dialogues, {.prompt_gradient = weights.prompt_gradient,
                                                    .label_smoothing = weights.label_smoothing});
  const auto& prompts = output.language.prompts;
  const auto device = model.device();
  const auto none = at::zeros({}, at::TensorOptions(at::kFloat).device(device));
  BatchMaskLosses losses{none, none};
  if (prompts.defined() && prompts.size(0) > 0) {
    scope.emplace(times, "decoder forward");
    output.masks = model.grounding().decode_batch(batch.image_embeddings, prompts,
                                                  output.language.seg_dialogue);
    scope.emplace(times, "losses");
    const AutocastScope full_precision(device.type(), at::kFloat);
    if (!batch.truths.empty())
      losses = batch_mask_losses(output.masks.mask_logits, batch.truths, weights);
  }
  output.bce = losses.bce;
  output.dice = losses.dice;
  output.focal = losses.focal;
  output.boundary = losses.boundary;
  output.total = output.language.text_loss * weights.text + losses.bce * weights.bce +
                 losses.dice * weights.dice;
  output.total = with_further_losses(output.total, losses, weights);
  return output;
}

void backward_micro_batch(const Segmenter& model, const TrainingBatch& batch,
                          const TrainOptions& options, std::int64_t step, StepReport& report,
                          TimeTable& times, MaskReplay* replay, const GradScaler* scaler) {
  MicroBatchOutput output;
  {
    const AutocastScope autocast(model.device().type(), dtype_of(options.precision));
    output = forward_micro_batch(model, batch, options.loss, times);
  }
  const double share = 1.0 / static_cast<double>(options.accumulation);
  const auto value = [&](const char* part, const at::Tensor& loss) {
    return share * finite(part, loss, batch, options, step, report);
  };
  report.text += value("loss_text", output.language.text_loss);
  report.bce += value("loss_bce", output.bce);
  report.dice += value("loss_dice", output.dice);
  if (output.focal.defined()) report.focal += value("loss_focal", output.focal);
  if (output.boundary.defined()) report.boundary += value("loss_boundary", output.boundary);
  report.total += value("loss", output.total);
  if (replay != nullptr && batch.masks > 0 && model.has_grounding() && report.fault.empty())
    replay->remember(batch.targets, output.language.prompts);
  report.tokens += batch.tokens;
  report.labelled += output.language.labelled;
  report.masks += batch.masks;
  report.samples += static_cast<std::int64_t>(batch.ids.size());
  report.ids.insert(report.ids.end(), batch.ids.begin(), batch.ids.end());

  const TimeTable::Scope scope(times, "backward");
  const auto loss = output.total * share;
  (scaler != nullptr ? scaler->scale(loss) : loss).backward();
}

}  // namespace medseg
