#include "medseg/pipeline/sample.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

std::int64_t count_images(const std::vector<std::int64_t>& ids) {
  return std::count(ids.begin(), ids.end(), kImageToken);
}

std::string line_of(const Manifest& manifest, const Record& record) {
  return str_cat(manifest.path().string(), ":", record.line);
}

}  // namespace

RenderedDialogue render_record(const Record& record, const OpenBundle& bundle) {
  auto dialogue = render(turns_of(record), *bundle.tokenizer, bundle.conversation());
  std::size_t masks = 0;
  for (const RecordTurn* turn : answered_turns(record)) masks += turn->masks.size();
  if (masks != dialogue.seg_positions.size())
    throw DataError(str_cat("[SEG] count ", dialogue.seg_positions.size(), ", masks ", masks));
  if (!bundle.model->has_vision() && count_images(dialogue.ids) > 0)
    throw DataError("the dialogue shows <image>, but the model has no vision tower");
  return dialogue;
}

std::int64_t sequence_length(const RenderedDialogue& dialogue, const Segmenter& model) {
  return static_cast<std::int64_t>(dialogue.ids.size()) +
         count_images(dialogue.ids) * (model.image_tokens() - 1);
}

Image read_sample_image(const Manifest& manifest, const Record& record, const OpenBundle& bundle) {
  return reading_part(RecordPart::kImage, [&] {
    auto image = load_image(manifest, record);
    if (bundle.model->has_vision()) {
      with_place(line_of(manifest, record),
                 [&] { check_vision_shape(image, bundle.options.vision_preprocess); });
    }
    return image;
  });
}

Sample read_sample(const Manifest& manifest, const Record& record, RenderedDialogue dialogue,
                   const OpenBundle& bundle) {
  Sample sample;
  sample.id = record.id;
  sample.dialogue = std::move(dialogue);
  sample.image = read_sample_image(manifest, record, bundle);
  const int width = sample.image.width, height = sample.image.height;
  for (const RecordTurn* turn : answered_turns(record)) {
    for (const auto& ids : turn->masks) {
      sample.masks.push_back(reading_part(
          RecordPart::kMasks, [&] { return load_mask(manifest, record, ids, width, height); }));
    }
    for (auto& target : targets_of(record, *turn)) sample.targets.push_back(std::move(target));
  }
  return sample;
}

Sample read_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle) {
  auto dialogue = reading_part(RecordPart::kDialogue, [&] {
    return with_place(line_of(manifest, record), [&] { return render_record(record, bundle); });
  });
  return read_sample(manifest, record, std::move(dialogue), bundle);
}

void find_features(Sample& sample, FeatureCache& cache) {
  if (sample.augmented) return;
  sample.key = key_of(sample.image);
  sample.features = cache.find(*sample.key);
}

void compute_features(Sample& sample, FeatureCache& cache) {
  if (sample.features != nullptr) return;
  sample.features =
      sample.key ? cache.get(*sample.key, sample.image) : cache.get_augmented(sample.image);
}

DialogueBatch make_batch(const std::vector<const Sample*>& samples) {
  DialogueBatch batch;
  std::vector<at::Tensor> features;
  for (const Sample* sample : samples) {
    const auto& dialogue = sample->dialogue;
    batch.ids.push_back(dialogue.ids);
    batch.labels.push_back(dialogue.labels);
    batch.seg_positions.push_back(dialogue.seg_positions);
    for (auto images = count_images(dialogue.ids); images > 0; --images)
      features.push_back(sample->features->vision.to(at::kFloat));
  }
  if (!features.empty()) batch.vision_features = at::stack(features);
  return batch;
}

}  // namespace medseg
