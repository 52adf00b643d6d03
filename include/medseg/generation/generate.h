/// \file
/// Greedy answers with a KV cache, and the masks of their `[SEG]`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/generation/finish.h"
#include "medseg/models/llama.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

struct GenerationOptions {
  std::int64_t max_new_tokens = 128;
  std::int64_t max_seg = 16;  ///< after so many `[SEG]` the token is no longer chosen
  double mask_threshold = 0;  ///< a mask whose score is below it stays empty
};

struct GeneratedMask {
  /// The last `<p>` text between the `[SEG]` before and this one; may be empty.
  std::string phrase;
  Mask mask;                   ///< image frame, logits > 0
  at::Tensor logits;           ///< [H, W] float32, image frame
  std::int64_t position = 0;   ///< in T, of the state that predicted its `[SEG]`
  double seg_probability = 0;  ///< softmax probability of `[SEG]` at its step
  double predicted_iou = 0;
  bool below_threshold = false;  ///< GenerationOptions::mask_threshold has emptied `mask`

  double score() const;  ///< seg_probability · predicted_iou clamped to [0, 1]
};

struct Answer {
  std::string text;                  ///< without the end token
  std::vector<std::int64_t> ids;     ///< the end token included when it came
  std::vector<std::string> phrases;  ///< `<p>` texts
  std::vector<GeneratedMask> masks;  ///< one per `[SEG]` of the text
  Finish finish = Finish::kLength;
  std::int64_t prompt_tokens = 0;  ///< of the dialogue up to the answer, image tokens included
  double seconds = 0;
};

/// Makes an opened model fast for answering: folds what the frozen encoder allows, and stores the
/// language model's matrices in `precision`, to which autocast would otherwise cast them again for
/// every token (those of the token rows in bf16 on the CPU only). For fp32, what the bundle keeps
/// in bf16 becomes fp32. Not for training.
void prepare_for_inference(OpenBundle& bundle, at::ScalarType precision);

/// A dialogue about one image. Each question continues the KV cache, so image tokens are computed
/// once. The precision is that of the AutocastScope round its calls. Logits are always sums in
/// float32, so that a greedy choice is not made between rounded numbers.
///
/// `ask` answers at once. Several dialogues answer side by side with `begin`, `advance` and `end`:
/// the weights are then read once for a token of each. A dialogue's answers have the same bits
/// either way, as long as Llama::decode can read the matrices in place.
class Dialogue {
 public:
  /// `features`: from FeatureCache or encode_image; may be null in a model without a vision tower.
  Dialogue(const OpenBundle& bundle, std::shared_ptr<const ImageFeatures> features,
           const GenerationOptions& options);
  ~Dialogue();

  /// `<image>` is put in front of the first question, unless that has it somewhere itself.
  /// `on_text` receives new text as it comes. \throws DataError if the dialogue leaves no room for
  /// an answer (max_positions), or a later question has `<image>`.
  Answer ask(const std::string& question,
             const std::function<void(const std::string&)>& on_text = {});

  /// Reads the question; the answer's first token is known afterwards. \throws as `ask`.
  void begin(const std::string& question,
             const std::function<void(const std::string&)>& on_text = {});
  /// True from `begin` until the answer's last token is known.
  bool is_answering() const { return answering_; }
  /// One more token for each; all of them are answering, about any images, with one model.
  static void advance(const std::vector<Dialogue*>& dialogues);
  /// The answer with its masks. \pre begun, and not is_answering()
  Answer end();

  /// A turn that was answered elsewhere: later questions see it.
  void remember(const std::string& question, const std::string& answer);
  /// Later questions see `answer` in place of what the model said last.
  void replace_last_answer(const std::string& answer);

 private:
  struct Pending;  ///< an answer that is being made
  /// Adds the keys of `ids` to the cache; gives the state of the last id, [1, D].
  at::Tensor feed(const std::vector<std::int64_t>& ids);
  at::Tensor feed_prompt(const std::vector<std::int64_t>& prompt);
  /// Positions that the first `count` ids take.
  std::int64_t positions(const std::vector<std::int64_t>& ids, std::size_t count) const;
  /// Takes the next token from `logits` [V], which it may change; false after the last one.
  bool take(const at::Tensor& state, at::Tensor logits);
  void draw_masks(const std::vector<at::Tensor>& states, Answer& answer) const;

  const OpenBundle& bundle_;
  std::shared_ptr<const ImageFeatures> features_;
  GenerationOptions options_;
  KvCache cache_;
  std::vector<Turn> turns_;
  std::vector<std::int64_t> consumed_;  ///< ids whose keys are in the cache
  std::unique_ptr<Pending> pending_;
  bool answering_ = false;
};

}  // namespace medseg
