#include "medseg/pipeline/sample.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

std::int64_t image_places(const std::vector<std::int64_t>& ids) {
  return std::count(ids.begin(), ids.end(), kImageToken);
}

}  // namespace

Sample load_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle,
                   FeatureCache& cache, std::int64_t max_tokens) {
  return load_sample(
      manifest, record, bundle, [&](const Image& image) { return cache.get(image); }, max_tokens);
}

Sample load_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle,
                   const FeaturesOf& features_of, std::int64_t max_tokens) {
  const std::string where = str_cat(manifest.path().string(), ":", record.line);
  Sample sample;
  sample.id = record.id;
  try {
    sample.dialogue = render(turns_of(record), *bundle.tokenizer, bundle.conversation());
  } catch (const DataError& error) {
    throw DataError(where + ": " + error.what());
  }
  if (!bundle.model->has_vision() && image_places(sample.dialogue.ids) > 0) {
    throw DataError(where + ": the dialogue shows <image>, but the model has no vision tower");
  }
  const auto image_tokens = bundle.model->has_vision() ? bundle.model->image_tokens() : 0;
  const auto length = static_cast<std::int64_t>(sample.dialogue.ids.size()) +
                      image_places(sample.dialogue.ids) * (image_tokens - 1);
  if (length > max_tokens) {
    throw DataError(
        str_cat(where, ": ", length, " tokens with the picture, but max_tokens is ", max_tokens));
  }
  const Image image = load_image(manifest, record);
  if (bundle.model->has_vision()) {
    try {
      check_vision_shape(image, bundle.options.vision_preprocess);
    } catch (const DataError& error) {
      throw DataError(where + ": " + error.what());
    }
  }
  for (const RecordTurn* turn : answered_turns(record)) {
    for (const auto& ids : turn->masks) {
      sample.masks.push_back(load_mask(manifest, record, ids, image.width, image.height));
    }
    for (auto& target : targets_of(record, *turn)) sample.targets.push_back(std::move(target));
  }
  if (sample.masks.size() != sample.dialogue.seg_positions.size()) {
    throw DataError(str_cat(where, ": [SEG] count ", sample.dialogue.seg_positions.size(),
                            ", masks ", sample.masks.size()));
  }
  sample.features = features_of(image);
  return sample;
}

DialogueBatch make_batch(const std::vector<const Sample*>& samples) {
  DialogueBatch batch;
  std::vector<at::Tensor> features;
  for (const Sample* sample : samples) {
    const auto& dialogue = sample->dialogue;
    batch.ids.push_back(dialogue.ids);
    batch.labels.push_back(dialogue.labels);
    batch.seg_positions.push_back(dialogue.seg_positions);
    for (auto places = image_places(dialogue.ids); places > 0; --places) {
      features.push_back(sample->features->vision.to(at::kFloat));
    }
  }
  if (!features.empty()) batch.vision_features = at::stack(features);
  return batch;
}

}  // namespace medseg
