/// \file
/// The whole model: sees a picture, reads a dialogue, answers in words and draws a mask for each `[SEG]`.
///
/// Wiring follows GLaMM and LISA (reference/recipes 2.1, 2.2): picture -> tower -> projector -> spliced into the
/// dialogue -> LLM; the state that predicted a `[SEG]` -> text_hidden_fcs -> prompt of the mask decoder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/clip.h"
#include "medseg/models/dinov2.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/siglip.h"
#include "medseg/models/vision_tower.h"

namespace medseg {

struct VisionOptions {
  std::string tower = "dinov2";  ///< "clip" | "siglip" | "dinov2"; "" is a model without eyes
  ClipOptions clip;              ///< of these three only the tower's own count
  SiglipOptions siglip;
  Dinov2Options dinov2;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("tower", self.tower);
    visit("clip", self.clip);
    visit("siglip", self.siglip);
    visit("dinov2", self.dinov2);
  }
};

struct ProjectorOptions {
  std::string type = "mlp2x_gelu";  ///< "linear" | "mlp2x_gelu" (erf GELU)
  std::int64_t merge =
      1;  ///< 2: each 2×2 block of patches is one token of 4·Dv, a quarter of the tokens

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

/// Ids and labels as `text` renders them (kImageToken, kIgnoreLabel), which this module does not see.
inline constexpr std::int64_t kImagePlaceId = -200;
inline constexpr std::int64_t kNoLabel = -100;

/// A batch of dialogues. Any number of images a dialogue, anywhere in it, and of `[SEG]`.
struct DialogueBatch {
  std::vector<std::vector<std::int64_t>>
      ids;  ///< per dialogue; kImageToken (-200) where an image goes
  std::vector<std::vector<std::int64_t>>
      labels;  ///< same lengths; -100 where ignored; may be empty (no loss)
  std::vector<std::vector<std::int64_t>>
      seg_positions;           ///< per dialogue, indices into ids of the `[SEG]` to draw
  at::Tensor vision_features;  ///< [I, N, Dv], images in order of their places over all dialogues
};

/// The batch with image tokens in place, one dialogue behind the other: R rows in all, without padding.
struct Spliced {
  at::Tensor embeddings;              ///< [1, R, D]
  at::Tensor labels;                  ///< [R] int64, -100 at image places
  std::vector<std::int64_t> lengths;  ///< of the dialogues; their sum is R
  /// Of each `[SEG]`: dialogue and, in it, the position of the state that PREDICTS it (its own position minus one).
  at::Tensor seg_dialogue, seg_position;  ///< [K] int64
};

/// What training changes about a pass; the defaults are the published losses.
struct TeacherForcing {
  double prompt_gradient =
      1.0;  ///< scales what flows back from the prompts into the language model (the segmentation
            ///< head gets all of it)
  double label_smoothing = 0.0;  ///< of the text loss
};

struct SegmenterOutput {
  at::Tensor text_loss;  ///< scalar, mean CE over the labelled tokens; undefined without labels
  std::int64_t labelled = 0;  ///< tokens behind that mean
  at::Tensor
      prompts;  ///< [K, C] float32, dialogue by dialogue, in order of `[SEG]`; undefined without grounding
  at::Tensor seg_dialogue;  ///< [K] int64
  at::Tensor hidden;        ///< [1, R, D] after the final norm, one dialogue behind the other
  /// Of the state that predicted each `[SEG]`: its place in its dialogue, [K] int64, and its value, [K, D].
  at::Tensor seg_position, seg_hidden;
};

/// Keys: model.{embed_tokens,layers,norm}…, lm_head.weight, model.vision_tower.vision_tower.…, model.mm_projector.…,
/// model.text_hidden_fcs.0.{0,2}.…, model.grounding_encoder.…
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
  std::int64_t image_tokens() const;  ///< places an image takes in the dialogue

  at::Tensor project(const at::Tensor& vision_features) const;  ///< [B, N, Dv] -> [B, N', D]
  at::Tensor prompts(const at::Tensor& hidden) const;           ///< [K, D] -> [K, C] float32

  /// From now on the projector sees (x - mean) / deviation, both [Dv]: the channels of a frozen tower differ a
  /// hundredfold in size and share an offset, which an optimiser would have to learn away first. With `same_function` the
  /// projector's numbers change so that what it computes does not; without, they stay (they were random).
  void standardise_vision(const at::Tensor& mean, const at::Tensor& deviation, bool same_function);
  /// The projector's tensors for features as the tower gives them, under their names; empty unless standardised.
  std::vector<std::pair<std::string, at::Tensor>> plain_projector() const;
  Spliced splice(const DialogueBatch& batch) const;

  /// What an optimiser moves: every parameter that requires a gradient under its name, and the leaves of
  /// Llama::split_rows as "model.embed_tokens.new_rows" and "lm_head.new_rows".
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
