/// \file
/// The whole model: sees images, reads a dialogue, answers in words and draws a mask for each
/// `[SEG]`.
///
/// Wiring follows LISA (arXiv 2308.00692; model/LISA.py) and GLaMM (arXiv 2311.03356;
/// model/GLaMM.py): image -> tower -> projector -> spliced into the dialogue -> LLM; the state that
/// predicted a `[SEG]` -> text_hidden_fcs -> prompt of the mask decoder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/grounding_options.h"
#include "medseg/models/llama_options.h"
#include "medseg/models/vision_tower_row.h"
#include "medseg/nn/module.h"

namespace medseg {

class Grounding;
class Llama;
class VisionTower;

enum class ProjectorType {
  kLinear,
  kMlp2xGelu,  ///< two layers with an erf GELU between them
};
template <>
struct Choice<ProjectorType> {
  static constexpr ChoiceNames<ProjectorType, 2> names = {
      {{ProjectorType::kLinear, "linear"}, {ProjectorType::kMlp2xGelu, "mlp2x_gelu"}}};
};

struct ProjectorOptions {
  ProjectorType type = ProjectorType::kMlp2xGelu;
  /// 2: each 2×2 block of patches is one token of 4·Dv, a quarter of the tokens.
  std::int64_t merge = 1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("type", self.type);
    visit("merge", self.merge, in_range(1, 4));
  }
};

struct SegmenterOptions {
  LlamaOptions language;
  VisionOptions vision;
  ProjectorOptions projector;
  GroundingOptions grounding;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("language", self.language);
    visit("vision", self.vision);
    visit("projector", self.projector);
    visit("grounding", self.grounding);
  }
};

/// The id of an `<image>` placeholder and the label without loss. `text` renders dialogues with the
/// same numbers (kImageToken, kIgnoreLabel; `bundle`, which sees both rooms, asserts it).
inline constexpr std::int64_t kImagePlaceId = -200;
inline constexpr std::int64_t kNoLabel = -100;

/// A batch of dialogues. Any number of images a dialogue, anywhere in it, and of `[SEG]`.
struct DialogueBatch {
  /// Per dialogue; kImagePlaceId where an image goes.
  std::vector<std::vector<std::int64_t>> ids;
  /// Of the same lengths; kNoLabel where there is no loss. Empty: no loss at all.
  std::vector<std::vector<std::int64_t>> labels;
  /// Per dialogue, indices into ids of the `[SEG]` to draw.
  std::vector<std::vector<std::int64_t>> seg_positions;
  /// [I, N, Dv], images in order of their placeholders over all dialogues.
  at::Tensor vision_features;
};

/// The batch with the rows of its images, one dialogue behind the other: R rows in all, without
/// padding.
struct Spliced {
  at::Tensor embeddings;              ///< [1, R, D]
  at::Tensor labels;                  ///< [R] int64, kNoLabel at image tokens
  std::vector<std::int64_t> lengths;  ///< of the dialogues; their sum is R
  /// Of each `[SEG]`: dialogue and, in it, the position of the state that PREDICTS it (its own
  /// position minus one).
  at::Tensor seg_dialogue, seg_position;  ///< [K] int64
};

/// What training changes about a pass; the defaults are the published losses.
struct TeacherForcing {
  /// Scales the gradient that flows back from the prompts into the language model; the
  /// segmentation head gets all of it.
  double prompt_gradient = 1.0;
  double label_smoothing = 0.0;  ///< of the text loss
};

struct SegmenterOutput {
  at::Tensor text_loss;  ///< scalar, mean CE over the labelled tokens; undefined without labels
  std::int64_t labelled = 0;  ///< tokens behind that mean
  /// [K, C] float32, dialogue by dialogue, in order of `[SEG]`; undefined without grounding.
  at::Tensor prompts;
  at::Tensor seg_dialogue;  ///< [K] int64
  at::Tensor hidden;        ///< [1, R, D] after the final norm, one dialogue behind the other
  /// Of the state that predicted each `[SEG]`: its position in its dialogue, [K] int64, and its
  /// value, [K, D].
  at::Tensor seg_position, seg_hidden;
};

/// Keys begin as models/part_names.h says.
class Segmenter : public Module {
 public:
  /// `language_matrices`: the dtype that the language model's weight matrices are made in.
  explicit Segmenter(const SegmenterOptions& options,
                     at::ScalarType language_matrices = at::kFloat);
  ~Segmenter() override;

  const SegmenterOptions& options() const { return options_; }
  Llama& language() const { return *language_; }
  VisionTower& vision() const { return *vision_; }      ///< \pre has_vision()
  Grounding& grounding() const { return *grounding_; }  ///< \pre has_grounding()
  bool has_vision() const { return vision_ != nullptr; }
  bool has_grounding() const { return grounding_ != nullptr; }
  at::Device device() const;          ///< of all parameters
  std::int64_t image_tokens() const;  ///< tokens that an image takes in the dialogue

  at::Tensor project(const at::Tensor& vision_features) const;  ///< [B, N, Dv] -> [B, N', D]
  at::Tensor prompts(const at::Tensor& hidden) const;           ///< [K, D] -> [K, C] float32

  /// From now on the projector sees (x - mean) / deviation, both [Dv]: the channels of a frozen
  /// tower differ a hundredfold in size and share an offset, which an optimiser would have to learn
  /// away first. With `same_function` the projector's weights change so that its output does not;
  /// without, they stay (they were random).
  void standardise_vision(const at::Tensor& mean, const at::Tensor& deviation, bool same_function);
  /// The projector's tensors for features as the tower gives them, under their names; empty unless
  /// standardised.
  std::vector<std::pair<std::string, at::Tensor>> plain_projector() const;
  Spliced splice(const DialogueBatch& batch) const;

  /// What an optimiser moves: every parameter that requires a gradient under its name, and the
  /// leaves of Llama::split_rows as "model.embed_tokens.new_rows" and "lm_head.new_rows".
  std::vector<std::pair<std::string, at::Tensor*>> trainable_leaves();

  /// Teacher-forced pass: text loss (logits only where labelled) and the prompts of all `[SEG]`.
  SegmenterOutput forward(const DialogueBatch& batch, const TeacherForcing& how = {}) const;

 private:
  class Projector;
  class SegmentationHead;
  SegmenterOptions options_;
  std::unique_ptr<Llama> language_;
  std::unique_ptr<VisionTower> vision_;
  std::unique_ptr<Projector> projector_;
  std::unique_ptr<SegmentationHead> head_;
  std::unique_ptr<Grounding> grounding_;
};

}  // namespace medseg
