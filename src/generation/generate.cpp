#include "medseg/generation/generate.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/clock.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/autocast.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

at::Tensor id_tensor(const std::vector<std::int64_t>& ids) {
  return at::tensor(at::IntArrayRef(ids), at::kLong).unsqueeze(0);  // [1, T]
}

// The phrase of each `[SEG]`: the last `<p>` text since the `[SEG]` before.
std::vector<std::string> phrase_of_each_seg(const std::string& text) {
  std::vector<std::string> phrases;
  const std::string token = kSegToken;
  std::size_t from = 0;
  for (auto at = text.find(token); at != std::string::npos; at = text.find(token, from)) {
    const auto own = phrases_of(text.substr(from, at - from));
    phrases.push_back(own.empty() ? "" : own.back());
    from = at + token.size();
  }
  return phrases;
}

// The history of a dialogue may not hold an `<image>` that the model wrote.
std::string without_image_placeholder(std::string text) {
  const std::string placeholder = kImagePlace;
  for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder))
    text.erase(at, placeholder.size());
  return text;
}

}  // namespace

double GeneratedMask::score() const {
  return seg_probability * std::clamp(predicted_iou, 0.0, 1.0);
}

void prepare_for_inference(OpenBundle& bundle, at::ScalarType precision) {
  const bool on_cpu = bundle.model->device().is_cpu();  // elsewhere the plain passes run
  if (on_cpu && bundle.model->has_grounding()) bundle.model->grounding().encoder().prepare_frozen();
  if (precision == at::kFloat) {
    cast_parameters(*bundle.model, at::kFloat, is_bf16);
    return;
  }
  if (on_cpu && bundle.model->has_vision() && precision == at::kBFloat16)
    bundle.model->vision().prepare_frozen();
  cast_parameters(bundle.model->language(), precision,
                  [](const std::string& name, const at::Tensor& tensor) {
                    return name.starts_with("layers.") && is_frozen_matrix(name, tensor);
                  });
  if (!on_cpu || precision != at::kBFloat16) return;
  // A third of a small model's numbers. Sums of products with them stay float32 (few_logits).
  cast_parameters(*bundle.model, precision, [](const std::string& name, const at::Tensor& tensor) {
    return (name == part::kEmbedding || name == part::kHead) && is_frozen_matrix(name, tensor);
  });
}

struct Dialogue::Pending {
  Pending(const Tokenizer& tokenizer, std::function<void(const std::string&)> on_text_)
      : stream(tokenizer), on_text(std::move(on_text_)) {}

  Answer answer;
  Stopwatch watch;
  // Of each [SEG]: the state that predicted it (src/README.md, choice 11).
  std::vector<at::Tensor> states;
  std::vector<Turn> turns;  // the dialogue with the question that is being answered
  std::vector<std::int64_t> stops;
  std::int64_t budget = 0;
  std::int64_t seg = -1;
  StreamingDecoder stream;
  std::function<void(const std::string&)> on_text;
};

Dialogue::Dialogue(const OpenBundle& bundle, std::shared_ptr<const ImageFeatures> features,
                   const GenerationOptions& options)
    : bundle_(bundle),
      features_(std::move(features)),
      options_(options),
      cache_(bundle.model->language().options().layers) {
  MEDSEG_CHECK(features_ != nullptr || !bundle.model->has_vision(),
               "Dialogue: no features of an image");
}

Dialogue::~Dialogue() = default;

std::int64_t Dialogue::positions(const std::vector<std::int64_t>& ids, std::size_t count) const {
  const auto images =
      std::count(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), kImageToken);
  const auto image_tokens = images > 0 ? bundle_.model->image_tokens() : 1;
  return static_cast<std::int64_t>(count) + images * (image_tokens - 1);
}

at::Tensor Dialogue::feed(const std::vector<std::int64_t>& ids) {
  const auto& model = *bundle_.model;
  const auto images = std::count(ids.begin(), ids.end(), kImageToken);
  at::Tensor embeddings;
  if (images > 0) {
    const auto vision = features_->vision.to(at::kFloat).unsqueeze(0);
    embeddings = model.splice({{ids}, {}, {}, vision.expand({images, -1, -1})}).embeddings;
  } else {
    embeddings = model.language().embed(id_tensor(ids).to(model.device()));
  }
  const auto hidden = model.language().forward(embeddings.to(at::kFloat), &cache_);  // [1, T, D]
  consumed_.insert(consumed_.end(), ids.begin(), ids.end());
  return hidden.select(1, hidden.size(1) - 1);
}

// Feeds what the cache does not hold yet. The model may have spelled an answer in other tokens than
// its text is rendered in, or ended it without an end token. Then the cache goes back to where both
// agree: the model always sees exactly the rendered dialogue.
at::Tensor Dialogue::feed_prompt(const std::vector<std::int64_t>& prompt) {
  const auto differ =
      std::mismatch(consumed_.begin(), consumed_.end(), prompt.begin(), prompt.end());
  const auto common = static_cast<std::size_t>(differ.second - prompt.begin());
  const std::size_t keep =
      std::min(common, prompt.size() - 1);  // one token at least gives the state
  cache_.truncate(positions(prompt, keep));
  consumed_.resize(keep);
  return feed({prompt.begin() + static_cast<std::ptrdiff_t>(keep), prompt.end()});
}

void Dialogue::draw_masks(const std::vector<at::Tensor>& states, Answer& answer) const {
  if (states.empty()) return;
  const auto& model = *bundle_.model;
  const auto prompts = model.prompts(at::cat(states));  // [K, C]
  const auto output =
      model.grounding().decode(features_->grounding.to(at::kFloat).unsqueeze(0), prompts);
  const auto logits = upscale_masks(output.mask_logits, features_->frame);  // [K, H, W]
  const auto phrases = phrase_of_each_seg(answer.text);
  for (std::size_t k = 0; k < answer.masks.size(); ++k) {
    const auto row = static_cast<std::int64_t>(k);
    auto& mask = answer.masks[k];
    mask.logits = logits[row].to(at::kCPU, at::kFloat);
    mask.mask = mask_from_logits(mask.logits);
    mask.predicted_iou = output.predicted_iou[row][0].item<double>();
    if (k < phrases.size()) mask.phrase = phrases[k];
    mask.below_threshold = mask.score() < options_.mask_threshold;
    if (mask.below_threshold) mask.mask = Mask(mask.mask.width, mask.mask.height);
  }
}

void Dialogue::begin(const std::string& question,
                     const std::function<void(const std::string&)>& on_text) {
  MEDSEG_CHECK(pending_ == nullptr, "Dialogue: the last answer was not taken");
  const at::NoGradGuard no_grad;
  const auto& tokenizer = *bundle_.tokenizer;
  const auto& language = bundle_.model->language();
  const bool shows_image = question.find(kImagePlace) != std::string::npos;
  if (shows_image && !turns_.empty()) {
    throw DataError("question", "<image> may stand in the first turn only, found in: " + question);
  }
  if (shows_image && !bundle_.model->has_vision()) {
    throw DataError("question", "<image>, but the model has no vision tower: " + question);
  }
  auto pending = std::make_unique<Pending>(tokenizer, on_text);
  pending->turns = turns_;
  pending->turns.push_back({turns_.empty() ? bundle_.first_question(question) : question, ""});
  const auto prompt =
      render(pending->turns, tokenizer, bundle_.conversation(), /*open_prompt=*/true).ids;
  const auto length = positions(prompt, prompt.size());
  const auto room = language.options().max_positions - length;
  pending->budget = std::min(options_.max_new_tokens, room);
  if (pending->budget <= 0) {
    throw DataError("dialogue", str_cat(length,
                                        " tokens with the image leave no room for an answer in the "
                                        "model's ",
                                        language.options().max_positions));
  }
  pending->answer.prompt_tokens = length;
  pending->stops = stop_ids(tokenizer, bundle_.conversation());
  if (bundle_.model->has_grounding()) pending->seg = bundle_.options.special_tokens.at(kSegToken);
  const auto state = feed_prompt(prompt);
  pending_ = std::move(pending);
  answering_ = take(state, language.few_logits(state)[0]);
}

bool Dialogue::take(const at::Tensor& state, at::Tensor logits) {
  auto& pending = *pending_;
  auto& answer = pending.answer;
  if (pending.seg >= 0 && static_cast<std::int64_t>(pending.states.size()) >= options_.max_seg) {
    logits[pending.seg] = -std::numeric_limits<float>::infinity();
  }
  // The first, so the lowest id, of equal ones.
  const auto next = logits.argmax().item<std::int64_t>();
  answer.ids.push_back(next);
  if (std::find(pending.stops.begin(), pending.stops.end(), next) != pending.stops.end()) {
    answer.finish = Finish::kEos;
    return false;
  }
  if (next == pending.seg) {
    pending.states.push_back(state);
    auto& mask = answer.masks.emplace_back();
    mask.position = cache_.length() - 1;
    mask.seg_probability = logits.softmax(0)[pending.seg].item<double>();
  }
  if (pending.on_text) pending.on_text(pending.stream.push(next));
  return static_cast<std::int64_t>(answer.ids.size()) < pending.budget;
}

void Dialogue::advance(const std::vector<Dialogue*>& dialogues) {
  if (dialogues.empty()) return;
  const at::NoGradGuard no_grad;
  const auto& model = *dialogues.front()->bundle_.model;
  const auto& language = model.language();
  std::vector<std::int64_t> ids;
  std::vector<KvCache*> caches;
  for (auto* dialogue : dialogues) {
    MEDSEG_CHECK(dialogue->answering_ && dialogue->bundle_.model.get() == &model,
                 "Dialogue::advance: a dialogue that is not answering, or of another model");
    ids.push_back(dialogue->pending_->answer.ids.back());
    caches.push_back(&dialogue->cache_);
    dialogue->consumed_.push_back(ids.back());
  }
  const auto embeddings = language.embed(id_tensor(ids).to(model.device()))[0];
  const auto states = language.decode(embeddings, caches);  // [R, D]
  const auto logits = language.few_logits(states);          // [R, V]
  for (std::size_t r = 0; r < dialogues.size(); ++r) {
    const auto row = static_cast<std::int64_t>(r);
    dialogues[r]->answering_ = dialogues[r]->take(states.narrow(0, row, 1), logits[row]);
  }
}

Answer Dialogue::end() {
  MEDSEG_CHECK(pending_ != nullptr && !answering_, "Dialogue: no answer to take");
  const at::NoGradGuard no_grad;
  const auto pending = std::move(pending_);
  auto& answer = pending->answer;
  if (pending->on_text) pending->on_text(pending->stream.flush());
  auto spoken = answer.ids;
  if (answer.finish == Finish::kEos) spoken.pop_back();
  answer.text = trim(bundle_.tokenizer->decode(spoken));
  answer.phrases = phrases_of(answer.text);
  draw_masks(pending->states, answer);
  pending->turns.back().answer = without_image_placeholder(answer.text);
  turns_ = std::move(pending->turns);
  answer.seconds = pending->watch.seconds();
  return std::move(answer);
}

Answer Dialogue::ask(const std::string& question,
                     const std::function<void(const std::string&)>& on_text) {
  begin(question, on_text);
  while (answering_) advance({this});
  return end();
}

void Dialogue::remember(const std::string& question, const std::string& answer) {
  turns_.push_back({turns_.empty() ? bundle_.first_question(question) : question,
                    without_image_placeholder(answer)});
}

void Dialogue::replace_last_answer(const std::string& answer) {
  MEDSEG_CHECK(!turns_.empty(), "Dialogue: no answer to replace");
  turns_.back().answer = without_image_placeholder(answer);
}

}  // namespace medseg
