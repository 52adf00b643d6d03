// From draws to a micro-batch, and what becomes of records that cannot be read.
#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/dataset/turns.h"
#include "medseg/models/grounding.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

std::set<std::string> places_of(const std::vector<BadSample>& samples) {
  std::set<std::string> places;
  for (const auto& sample : samples) places.insert(sample.place());
  return places;
}

// Features stored in another dtype than the run's are computed with in the run's.
void widen(TrainingBatch& batch, const FeatureCache& cache) {
  if (batch.image_embeddings.defined())
    batch.image_embeddings = batch.image_embeddings.to(cache.precision());
}

}  // namespace

TrainingBatch make_training_batch(const std::vector<Sample>& samples, const Segmenter& model) {
  TrainingBatch batch;
  std::vector<const Sample*> pointers;
  std::vector<at::Tensor> embeddings;
  for (const Sample& sample : samples) {
    pointers.push_back(&sample);
    batch.ids.push_back(sample.id);
    batch.masks += static_cast<std::int64_t>(sample.masks.size());
    batch.targets.insert(batch.targets.end(), sample.targets.begin(), sample.targets.end());
    if (!model.has_grounding()) continue;
    const ModelFrame& frame = sample.features->frame;
    embeddings.push_back(sample.features->grounding);
    batch.truths.push_back({mask_tensor(sample.masks, static_cast<int>(frame.image_width),
                                        static_cast<int>(frame.image_height)),
                            frame});
  }
  batch.dialogues = make_batch(pointers);
  if (!embeddings.empty()) batch.image_embeddings = at::stack(embeddings);
  return batch;
}

// What augmentation does to a visit follows from (seed, record, visit).
Sample TrainingSet::load_record(const Draw& draw, FeatureCache& cache, Image& picture) const {
  const Item& item = items_[draw.sample];
  const auto keep_picture = [&](const Image& image) {
    picture = image;
    return std::shared_ptr<const ImageFeatures>();
  };
  auto sample = load_sample(*manifests_[item.manifest], *item.record, bundle_, keep_picture,
                            options_.max_tokens);
  if (augment(options_.augment, *item.record,
              RandomStream(seed_, "data.augment:" + item.record->id, draw.visit), picture,
              sample.masks))
    sample.picture = PictureKind::kAugmented;
  sample.features = cache.find(picture, sample.picture);
  return sample;
}

// `draw.sample` becomes the record that was loaded. None: `bad` has more than the limit allows.
std::optional<Sample> TrainingSet::load_good(Draw& draw, FeatureCache& cache, Image& picture,
                                             std::vector<BadSample>& bad) const {
  if (!quarantines()) return load_record(draw, cache, picture);
  const Item& drawn = items_[draw.sample];
  const auto source = sources_[draw.sample];
  std::vector<std::size_t> others;  // in the order in which they are tried; made when needed
  std::size_t tried = 0;
  for (;;) {
    if (const auto known = known_bad(draw.sample)) {
      bad.push_back(*known);
    } else {
      try {
        return load_record(draw, cache, picture);
      } catch (const DataError& error) {
        bad.push_back(note_bad(draw.sample, error.what()));
      }
    }
    if (places_of(bad).size() > static_cast<std::size_t>(options_.quarantine_limit)) return {};
    if (others.empty()) {
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if (sources_[i] == source && visits_[i] > 0 && items_[i].record != drawn.record)
          others.push_back(i);
      }
      RandomStream(seed_, "data.replacement:" + drawn.record->id, draw.visit).shuffle(others);
    }
    if (tried == others.size()) {
      throw DataError(str_cat(bad.back().place(), ": ", bad.back().why, "; of the ",
                              others.size() + 1, " records of its source none can be read"));
    }
    draw.sample = others[tried++];
  }
}

TrainingBatch TrainingSet::load(const std::vector<Draw>& draws, FeatureCache& cache) const {
  const at::NoGradGuard no_grad;
  std::vector<Sample> samples;
  std::vector<Image> pictures;
  std::vector<BadSample> bad;
  std::int64_t tokens = 0;
  bool known = true;
  for (auto draw : draws) {
    Image picture;
    auto sample = load_good(draw, cache, picture, bad);
    if (!sample) {
      TrainingBatch none;
      none.bad = std::move(bad);
      return none;
    }
    samples.push_back(std::move(*sample));
    known = known && samples.back().features != nullptr;
    pictures.push_back(std::move(picture));
    tokens += lengths_[draw.sample];
  }
  TrainingBatch batch;
  if (known) {
    batch = make_training_batch(samples, *bundle_.model);
    widen(batch, cache);
  } else {
    batch.samples = std::move(samples);
    batch.pictures = std::move(pictures);
  }
  batch.tokens = tokens;
  batch.bad = std::move(bad);
  return batch;
}

void TrainingSet::complete(TrainingBatch& batch, FeatureCache& cache) const {
  if (batch.samples.empty()) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    auto& sample = batch.samples[i];
    if (sample.features == nullptr) sample.features = cache.get(batch.pictures[i], sample.picture);
  }
  auto whole = make_training_batch(batch.samples, *bundle_.model);
  widen(whole, cache);
  whole.tokens = batch.tokens;
  whole.bad = std::move(batch.bad);
  batch = std::move(whole);
}

std::optional<BadSample> TrainingSet::known_bad(std::size_t index) const {
  const std::lock_guard lock(bad_mutex_);
  const auto found = bad_.find(index);
  return found == bad_.end() ? std::nullopt : std::optional(found->second);
}

// Which part it is, the parts themselves tell.
BadSample TrainingSet::note_bad(std::size_t index, const std::string& what) const {
  const Item& item = items_[index];
  const Manifest& manifest = *manifests_[item.manifest];
  BadSample sample{item.record->id, manifest.path().string(), item.record->line, "dialogue", what};
  const auto place = sample.place() + ": ";
  if (sample.why.starts_with(place)) sample.why.erase(0, place.size());
  if (sample.why.starts_with("masks.")) sample.part = "masks";
  try {
    const auto image = load_image(manifest, *item.record);
    if (bundle_.model->has_vision()) check_vision_shape(image, bundle_.options.vision_preprocess);
  } catch (const DataError&) {
    sample.part = "picture";
  }
  const std::lock_guard lock(bad_mutex_);
  if (sample.part == "picture") bad_pictures_.insert(picture_place(item.manifest, *item.record));
  return bad_.emplace(index, std::move(sample)).first->second;
}

std::optional<Image> TrainingSet::picture_of(std::size_t index) const {
  const Item& item = items_[index];
  if (!quarantines()) return load_image(*manifests_[item.manifest], *item.record);
  {
    const std::lock_guard lock(bad_mutex_);
    if (bad_pictures_.contains(picture_place(item.manifest, *item.record))) return std::nullopt;
  }
  try {
    auto image = load_image(*manifests_[item.manifest], *item.record);
    if (bundle_.model->has_vision()) check_vision_shape(image, bundle_.options.vision_preprocess);
    return image;
  } catch (const DataError& error) {
    note_bad(index, error.what());
    return std::nullopt;
  }
}

std::vector<BadSample> TrainingSet::bad() const {
  auto all = left_out_;
  const std::lock_guard lock(bad_mutex_);
  for (const auto& [index, sample] : bad_) all.push_back(sample);
  return all;
}

void TrainingSet::know_bad(const std::vector<BadSample>& samples) {
  std::map<std::pair<std::string, int>, const BadSample*> known;
  for (const auto& sample : samples) known[{sample.manifest, sample.line}] = &sample;
  const std::lock_guard lock(bad_mutex_);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    const auto found = known.find({manifests_[item.manifest]->path().string(), item.record->line});
    if (found == known.end()) continue;
    bad_.emplace(i, *found->second);
    if (found->second->part == "picture")
      bad_pictures_.insert(picture_place(item.manifest, *item.record));
  }
}

std::optional<BadSample> TrainingSet::fault_of(const MaskPlace& place) const {
  if (!quarantines() || readable_.contains(place.index)) return std::nullopt;
  if (auto known = known_bad(place.index)) return known;
  const Item& item = items_[place.index];
  const Manifest& manifest = *manifests_[item.manifest];
  try {
    const auto image = load_image(manifest, *item.record);
    if (bundle_.model->has_vision()) check_vision_shape(image, bundle_.options.vision_preprocess);
    for (const RecordTurn* turn : answered_turns(*item.record)) {
      for (const auto& ids : turn->masks)
        load_mask(manifest, *item.record, ids, image.width, image.height);
    }
  } catch (const DataError& error) {
    return note_bad(place.index, error.what());
  }
  readable_.insert(place.index);
  return std::nullopt;
}

}  // namespace medseg
