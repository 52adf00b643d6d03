#include "medseg/training/trace.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <fnmatch.h>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/generation/generate.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/nn/autocast.h"
#include "medseg/optim/patterns.h"
#include "medseg/training/step.h"

namespace medseg {
namespace {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor*>>;

// Matrices that the bundle has in bf16 stay so in memory; here every product is computed in
// float32.
void widen(Segmenter& model) {
  cast_parameters(model, at::kFloat, [](const std::string&, const at::Tensor& tensor) {
    return tensor.is_floating_point() && tensor.scalar_type() != at::kFloat;
  });
}

// Makes exactly the parameters that match require a gradient.
NamedParameters choose(Segmenter& model, const std::vector<std::string>& patterns) {
  const auto parameters = model.named_parameters();
  std::vector<bool> used(patterns.size(), false);
  NamedParameters chosen;
  std::vector<std::string> known;
  for (const auto& [name, tensor] : parameters) {
    known.push_back(name);
    bool matched = false;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (::fnmatch(patterns[i].c_str(), name.c_str(), 0) != 0) continue;
      matched = used[i] = true;
    }
    tensor->set_requires_grad(matched);
    if (matched) chosen.emplace_back(name, tensor);
  }
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (used[i]) continue;
    throw ConfigError("--gradients",
                      str_cat("no parameter matches \"", patterns[i], "\"; did you mean \"",
                              nearest_name(patterns[i], known), "\"?"));
  }
  return chosen;
}

struct Pass {
  std::vector<Sample> samples;  // exactly one
  EncoderInputs inputs;
  std::string question;  // that generation answers; empty: the record has none
  bool masks_known = false;
};

class Tracer {
 public:
  Tracer(OpenBundle& bundle, const Pass& pass) : bundle_(bundle), pass_(pass) {}

  Trace run(const NamedParameters& wanted, std::int64_t generate) {
    add_inputs();
    auto batch = make_training_batch(pass_.samples, model(), at::kFloat);
    if (!pass_.masks_known) batch.truths.clear();
    TimeTable times;
    const auto output = forward_micro_batch(model(), batch, LossOptions{}, times);
    add_stages(output);
    if (pass_.masks_known && output.language.labelled > 0) add_losses(output);
    if (!wanted.empty()) add_gradients(output, wanted);
    if (generate > 0 && !pass_.question.empty()) add_continuation(generate);
    return std::move(trace_);
  }

 private:
  const Segmenter& model() const { return *bundle_.model; }
  const Sample& sample() const { return pass_.samples.front(); }

  void add(const std::string& name, const at::Tensor& tensor) {
    if (tensor.defined()) trace_.emplace_back(name, tensor.detach().contiguous());
  }
  void add_ids(const std::string& name, const std::vector<std::int64_t>& ids) {
    add(name, at::tensor(ids, at::kLong));
  }

  void add_inputs() {
    add("image.vision_input", pass_.inputs.vision);
    add("image.grounding_input", pass_.inputs.grounding);
    add_ids("tokens.input_ids", sample().dialogue.ids);
    add_ids("tokens.labels", sample().dialogue.labels);
  }

  void add_stages(const MicroBatchOutput& output) {
    const at::NoGradGuard no_grad;
    const auto& language = output.language;
    const auto& features = sample().features;
    if (model().has_vision()) {
      const auto vision = features->vision.unsqueeze(0);
      add("vision.features", vision);
      add("projector.output", model().project(vision));
    }
    add("language.hidden", language.hidden);
    add("language.logits", model().language().logits(language.hidden));
    if (language.seg_position.numel() > 0) {
      add("seg.positions", language.seg_position);
      add("seg.hidden", language.seg_hidden);
      add("seg.prompt", language.prompts);
    }
    if (model().has_grounding()) {
      add("grounding.image_embedding", features->grounding.unsqueeze(0));
    }
    if (!output.masks.mask_logits.defined()) return;
    add("grounding.mask_logits", output.masks.mask_logits);
    add("grounding.predicted_iou", output.masks.predicted_iou);
    add("mask.logits", upscale_masks(output.masks.mask_logits, features->frame));
  }

  void add_losses(const MicroBatchOutput& output) {
    add("loss.ce", output.language.text_loss);
    if (model().has_grounding()) {
      add("loss.bce", output.bce);
      add("loss.dice", output.dice);
    }
    add("loss.total", output.total);
  }

  void add_gradients(const MicroBatchOutput& output, const NamedParameters& wanted) {
    if (output.total.requires_grad()) output.total.backward();
    std::vector<std::string> unreached;
    for (const auto& [name, parameter] : wanted) {
      if (parameter->grad().defined()) {
        add("grad." + name, parameter->grad());
      } else {
        unreached.push_back(name);
      }
    }
    if (!unreached.empty()) {
      log_warning(str_cat("trace: the loss does not reach ", unreached.size(),
                          " of the parameters: ", join(unreached, ", ")));
    }
  }

  void add_continuation(std::int64_t longest) {
    Dialogue dialogue(bundle_, sample().features, {.max_new_tokens = longest});
    const Answer answer = dialogue.ask(pass_.question);
    add_ids("generate.ids", answer.ids);
    std::vector<std::int64_t> positions;
    std::vector<at::Tensor> logits;
    for (const auto& mask : answer.masks) {
      positions.push_back(mask.position);
      logits.push_back(mask.logits);
    }
    if (positions.empty()) return;
    add_ids("generate.seg_positions", positions);
    add("generate.mask_logits", at::stack(logits));
  }

  OpenBundle& bundle_;
  const Pass& pass_;
  Trace trace_;
};

// Both encoders run under autograd; this costs nothing if none of their parameters requires a
// gradient.
std::shared_ptr<const ImageFeatures> look(const Image& image, const OpenBundle& bundle,
                                          EncoderInputs& inputs) {
  inputs = encoder_inputs(image, *bundle.model, bundle.options);
  return std::make_shared<const ImageFeatures>(encode(inputs, *bundle.model, at::kFloat));
}

}  // namespace

Trace trace_record(OpenBundle& bundle, const Manifest& manifest, const Record& record,
                   const TraceOptions& options) {
  const AutocastScope exact(at::kCPU, at::kFloat);
  widen(*bundle.model);
  const auto wanted = choose(*bundle.model, options.gradients);
  if (!wanted.empty() && answered_turns(record).empty()) {
    throw DataError(str_cat(manifest.path().string(), ":", record.line),
                    "no answer, so no loss to take gradients of");
  }
  Pass pass;
  pass.masks_known = true;
  auto sample = read_sample(manifest, record, bundle);
  sample.features = look(sample.image, bundle, pass.inputs);
  pass.samples.push_back(std::move(sample));
  if (!record.turns.empty()) pass.question = record.turns.front().question;
  return Tracer(bundle, pass).run(wanted, options.generate);
}

Trace trace_question(OpenBundle& bundle, const std::optional<Image>& image,
                     const std::string& question, const std::string& answer,
                     const TraceOptions& options) {
  if (!options.gradients.empty()) {
    throw ConfigError("--gradients", "needs --data: without true masks there is no total loss");
  }
  const Segmenter& model = *bundle.model;
  if (!image && (model.has_vision() || model.has_grounding())) {
    throw ConfigError("--image", "missing: the model looks at an image");
  }
  if (!model.has_vision() && question.find(kImagePlace) != std::string::npos) {
    throw ConfigError("--prompt", "<image>, but the model has no vision tower");
  }
  const AutocastScope exact(at::kCPU, at::kFloat);
  widen(*bundle.model);
  choose(*bundle.model, {});
  Pass pass;
  pass.question = question;
  Sample sample;
  sample.id = "question";
  sample.dialogue = render({{bundle.first_question(question), answer}}, *bundle.tokenizer,
                           bundle.conversation(), /*open_prompt=*/answer.empty());
  sample.features = image ? look(*image, bundle, pass.inputs) : std::make_shared<ImageFeatures>();
  pass.samples.push_back(std::move(sample));
  return Tracer(bundle, pass).run({}, options.generate);
}

}  // namespace medseg
