// Images into dialogues (src/README.md, choice 8): each placeholder becomes the rows of its image.
#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/models/llama.h"
#include "medseg/models/segmenter.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

using Ids = std::vector<std::int64_t>;

std::int64_t images_in(const Ids& ids) { return std::count(ids.begin(), ids.end(), kImagePlaceId); }

void check(const DialogueBatch& batch) {
  const auto size = batch.ids.size();
  MEDSEG_CHECK(size > 0, "a batch without dialogues");
  MEDSEG_CHECK(batch.labels.empty() || batch.labels.size() == size,
               "labels of some dialogues only");
  MEDSEG_CHECK(batch.seg_positions.empty() || batch.seg_positions.size() == size,
               "[SEG] positions of some dialogues only");
  std::int64_t images = 0;
  for (std::size_t d = 0; d < size; ++d) {
    MEDSEG_CHECK(batch.labels.empty() || batch.labels[d].size() == batch.ids[d].size(),
                 str_cat("dialogue ", d, ": labels and ids differ in length"));
    images += images_in(batch.ids[d]);
  }
  const auto given = batch.vision_features.defined() ? batch.vision_features.size(0) : 0;
  MEDSEG_CHECK(images == given,
               str_cat("dialogues have placeholders for ", images, " images, got ", given));
}

/// Embeddings of all text of the batch, in order, images left out: [tokens, D].
at::Tensor embed_text(const DialogueBatch& batch, const Llama& language) {
  Ids text;
  for (const auto& ids : batch.ids) {
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(text),
                 [](std::int64_t id) { return id != kImagePlaceId; });
  }
  return language.embed(at::tensor(text, at::kLong).to(language.embed_tokens.device()));
}

/// Labels of one dialogue, kNoLabel for each image token.
Ids spread_labels(const Ids& ids, const Ids& labels, std::int64_t image_tokens) {
  Ids spread;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool image = ids[i] == kImagePlaceId;
    spread.insert(spread.end(), image ? static_cast<std::size_t>(image_tokens) : 1U,
                  image ? kNoLabel : labels[i]);
  }
  return spread;
}

/// Takes rows off the front of the text and images off the stack, dialogue by dialogue.
class Assembler {
 public:
  Assembler(at::Tensor text, at::Tensor images)
      : text_(std::move(text)), images_(std::move(images)) {}

  void append(const Ids& ids, std::vector<at::Tensor>& pieces) {
    std::int64_t run = 0;  // text tokens since the last image
    for (const auto id : ids) {
      if (id != kImagePlaceId) {
        ++run;
        continue;
      }
      take_text(run, pieces);
      run = 0;
      pieces.push_back(images_.select(0, next_image_++));
    }
    take_text(run, pieces);
  }

 private:
  void take_text(std::int64_t count, std::vector<at::Tensor>& pieces) {
    if (count > 0) pieces.push_back(text_.narrow(0, next_text_, count));
    next_text_ += count;
  }

  at::Tensor text_, images_;
  std::int64_t next_text_ = 0, next_image_ = 0;
};

}  // namespace

Spliced Segmenter::splice(const DialogueBatch& batch) const {
  check(batch);
  const auto N = image_tokens();
  Spliced out;
  for (const auto& ids : batch.ids) {
    out.lengths.push_back(static_cast<std::int64_t>(ids.size()) + images_in(ids) * (N - 1));
  }

  auto text = embed_text(batch, *language_);
  const auto dtype = compute_dtype(text);
  text = text.to(dtype);
  const bool with_images = batch.vision_features.defined() && batch.vision_features.size(0) > 0;
  Assembler assembler(
      text, with_images ? project(batch.vision_features.to(device())).to(dtype) : at::Tensor());

  Ids dialogues, positions, labels;
  std::vector<at::Tensor> pieces;
  for (std::size_t d = 0; d < batch.ids.size(); ++d) {
    const auto& ids = batch.ids[d];
    assembler.append(ids, pieces);
    if (!batch.labels.empty()) {
      const auto spread = spread_labels(ids, batch.labels[d], N);
      labels.insert(labels.end(), spread.begin(), spread.end());
    }
    if (batch.seg_positions.empty()) continue;
    for (const auto position : batch.seg_positions[d]) {
      MEDSEG_CHECK(position > 0 && position < static_cast<std::int64_t>(ids.size()),
                   str_cat("dialogue ", d, ": no state predicts a [SEG] at ", position));
      const auto images_before = std::count(ids.begin(), ids.begin() + position, kImagePlaceId);
      dialogues.push_back(static_cast<std::int64_t>(d));
      positions.push_back(position + images_before * (N - 1) - 1);
    }
  }
  out.embeddings = at::cat(pieces).unsqueeze(0);
  if (!batch.labels.empty()) out.labels = at::tensor(labels, at::kLong);
  out.seg_dialogue = at::tensor(dialogues, at::kLong);
  out.seg_position = at::tensor(positions, at::kLong);
  return out;
}

}  // namespace medseg
