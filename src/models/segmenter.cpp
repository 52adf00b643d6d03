#include "medseg/models/segmenter.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/cross_entropy.h"
#include "medseg/nn/linear.h"

namespace medseg {
namespace {

/// To the dtype that `layer` works in, where autocast does not do it by itself.
at::Tensor as_input_of(const Linear& layer, const at::Tensor& x) {
  return x.to(compute_dtype(layer.weight));
}

/// [B, g², C] -> [B, (g/m)², m²·C]: an m×m block of patches, row by row, is one token.
at::Tensor merge_patches(const at::Tensor& features, std::int64_t grid, std::int64_t merge) {
  if (merge == 1) return features;
  const auto B = features.size(0), C = features.size(2), cells = grid / merge;
  return features.view({B, cells, merge, cells, merge, C})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({B, cells * cells, merge * merge * C});
}

}  // namespace

/// Keys: weight, bias (linear) or 0.{weight,bias}, 2.{weight,bias} (mlp2x_gelu).
class Segmenter::Projector : public Module {
 public:
  Projector(const ProjectorOptions& options, const VisionTower& tower, std::int64_t width)
      : grid_(tower.grid()),
        merge_(options.merge),
        first_(options.merge * options.merge * tower.width(), width) {
    if (grid_ % merge_ != 0) {
      throw ConfigError(
          str_cat("projector.merge: ", merge_, " does not divide the patch grid of ", grid_));
    }
    if (options.type == ProjectorType::kLinear) {
      register_module("", first_);
      return;
    }
    second_ = std::make_unique<Linear>(width, width);
    register_module("0", first_);
    register_module("2", *second_);
  }

  at::Tensor forward(const at::Tensor& features) const {
    TORCH_CHECK(features.dim() == 3 && features.size(1) == grid_ * grid_,
                "Projector: features [B, ", grid_ * grid_, ", Dv], got ", features.sizes());
    const auto seen = mean_.defined() ? (features.to(at::kFloat) - mean_) / deviation_ : features;
    const auto x = first_.forward(as_input_of(first_, merge_patches(seen, grid_, merge_)));
    return second_ == nullptr ? x : second_->forward(at::gelu(x));
  }

  void standardise(const at::Tensor& mean, const at::Tensor& deviation, bool same_function) {
    const at::NoGradGuard no_grad;
    mean_ = mean.to(first_.weight.device(), at::kFloat);
    deviation_ = deviation.to(first_.weight.device(), at::kFloat);
    if (!same_function) return;
    first_.bias.add_(by_channel(first_.weight).matmul(mean_).sum(1));
    first_.weight.copy_((by_channel(first_.weight) * deviation_).flatten(1));
  }

  void move_constants(at::Device device) override {
    if (!mean_.defined()) return;
    mean_ = mean_.to(device);
    deviation_ = deviation_.to(device);
  }

  bool standardised() const { return mean_.defined(); }
  /// Weight and bias of the first layer for features that are not standardised.
  std::pair<at::Tensor, at::Tensor> plain_first() const {
    const at::NoGradGuard no_grad;
    const auto weight = by_channel(first_.weight) / deviation_;
    return {weight.flatten(1), first_.bias - weight.matmul(mean_).sum(1)};
  }
  bool single() const { return second_ == nullptr; }

  std::int64_t tokens() const { return (grid_ / merge_) * (grid_ / merge_); }

 private:
  /// [D, m²·Dv] -> [D, m², Dv]
  at::Tensor by_channel(const at::Tensor& weight) const {
    return weight.unflatten(1, {merge_ * merge_, -1});
  }

  std::int64_t grid_, merge_;
  Linear first_;
  std::unique_ptr<Linear> second_;
  at::Tensor mean_, deviation_;  // [Dv]; undefined: features come as they are
};

/// The language state that predicted a `[SEG]` -> the prompt of its mask. Keys: 0.{weight,bias},
/// 2.{weight,bias}.
class Segmenter::SegmentationHead : public Module {
 public:
  SegmentationHead(std::int64_t width, std::int64_t prompt_width)
      : first_(width, width), second_(width, prompt_width) {
    register_module("0", first_);
    register_module("2", second_);
  }

  at::Tensor forward(const at::Tensor& hidden) const {
    const auto prompts = second_.forward(at::relu(first_.forward(as_input_of(first_, hidden))));
    return prompts.to(at::kFloat);
  }

 private:
  Linear first_, second_;
};

Segmenter::Segmenter(const SegmenterOptions& options, at::ScalarType language_matrices)
    : options_(options), language_(std::make_unique<Llama>(options.language, language_matrices)) {
  register_module(part::module_name(part::kLanguageModel), *language_);
  if (!options.language.tied_head) {
    register_parameter(part::kHead, language_->head, language_->head);
  }
  if (const auto& tower = options.vision.tower) {
    vision_ = tower.row()->make(tower.options());
    register_module(part::module_name(part::kVisionTower), *vision_);
    projector_ = std::make_unique<Projector>(options.projector, *vision_, options.language.width);
    register_module(part::module_name(part::kProjector), *projector_);
  }
  if (options.grounding.encoder) {
    head_ = std::make_unique<SegmentationHead>(options.language.width, options.grounding.width);
    register_module(part::module_name(part::kSegmentationHead), *head_);
    grounding_ = std::make_unique<Grounding>(options.grounding);
    register_module(part::module_name(part::kGrounding), *grounding_);
  }
}

Segmenter::~Segmenter() = default;

at::Device Segmenter::device() const { return language_->embed_tokens.device(); }

std::int64_t Segmenter::image_tokens() const {
  return projector_ == nullptr ? 0 : projector_->tokens();
}

at::Tensor Segmenter::project(const at::Tensor& vision_features) const {
  MEDSEG_CHECK(has_vision(), "this model has no vision tower");
  return projector_->forward(vision_features);
}

void Segmenter::standardise_vision(const at::Tensor& mean, const at::Tensor& deviation,
                                   bool same_function) {
  MEDSEG_CHECK(has_vision(), "this model has no vision tower");
  projector_->standardise(mean, deviation, same_function);
}

std::vector<std::pair<std::string, at::Tensor>> Segmenter::plain_projector() const {
  if (projector_ == nullptr || !projector_->standardised()) return {};
  const auto [weight, bias] = projector_->plain_first();
  const std::string first = str_cat(part::kProjector, projector_->single() ? "" : "0.");
  return {{first + "weight", weight}, {first + "bias", bias}};
}

at::Tensor Segmenter::prompts(const at::Tensor& hidden) const {
  MEDSEG_CHECK(has_grounding(), "this model has no grounding part");
  return head_->forward(hidden);
}

std::vector<std::pair<std::string, at::Tensor*>> Segmenter::trainable_leaves() {
  std::vector<std::pair<std::string, at::Tensor*>> leaves;
  for (const auto& [name, tensor] : named_parameters()) {
    if (tensor->requires_grad()) leaves.emplace_back(name, tensor);
  }
  for (const auto& [name, tensor] : language_->trainable_rows()) {
    if (!tensor->requires_grad()) continue;
    leaves.emplace_back(name == "head.new_rows" ? "lm_head.new_rows" : "model." + name, tensor);
  }
  return leaves;
}

SegmenterOutput Segmenter::forward(const DialogueBatch& batch, const TeacherForcing& how) const {
  const auto spliced = splice(batch);
  SegmenterOutput output;
  output.hidden = language_->forward_packed(spliced.embeddings, spliced.lengths);
  const auto states = output.hidden[0];                                // [R, D]
  const auto ends = at::tensor(spliced.lengths, at::kLong).cumsum(0);  // of the dialogues, in R
  const auto begins = ends - at::tensor(spliced.lengths, at::kLong);

  output.seg_dialogue = spliced.seg_dialogue;
  output.seg_position = spliced.seg_position;
  const auto seg_rows = begins.index_select(0, spliced.seg_dialogue) + spliced.seg_position;
  output.seg_hidden = states.index_select(0, seg_rows.to(states.device()));
  if (has_grounding()) {
    auto chosen = output.seg_hidden;
    if (how.prompt_gradient != 1.0) {  // the same value, another slope
      chosen = chosen.detach() + how.prompt_gradient * (chosen - chosen.detach());
    }
    output.prompts = prompts(chosen);
  }
  if (batch.labels.empty()) return output;

  // The state at t predicts the label of t+1; logits are made only where there is one.
  const auto next = at::constant_pad_nd(spliced.labels.slice(0, 1), {0, 1}, kNoLabel);
  next.index_fill_(0, ends - 1, kNoLabel);
  const auto labelled = at::nonzero(next != kNoLabel).flatten();
  output.labelled = labelled.size(0);
  if (output.labelled == 0) {
    output.text_loss = states.slice(0, 0, 1).to(at::kFloat).sum() * 0.0;
    return output;
  }
  const auto rows = labelled.to(states.device());
  const auto logits = language_->logits(states.index_select(0, rows));  // [labelled, V]
  output.text_loss = cross_entropy(logits, next.index_select(0, labelled).to(states.device()),
                                   how.label_smoothing);
  return output;
}

}  // namespace medseg
