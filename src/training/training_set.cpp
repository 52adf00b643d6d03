#include "medseg/training/training_set.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

constexpr const char* kAbsent = "(absent)";

std::int64_t places(const std::vector<std::int64_t>& ids, std::int64_t image_tokens) {
  return static_cast<std::int64_t>(ids.size()) +
         std::count(ids.begin(), ids.end(), kImageToken) * (image_tokens - 1);
}

// What a record teaches: its targets, and "(absent)" if a turn is answered without a mask about what is not there.
std::vector<std::string> taught(const Record& record) {
  std::vector<std::string> targets;
  const auto add = [&](const std::string& target) {
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.push_back(target);
  };
  for (const RecordTurn* turn : answered_turns(record)) {
    for (const auto& target : targets_of(record, *turn)) add(target);
    if (turn->masks.empty() && !record.absent.empty()) add(kAbsent);
  }
  return targets;
}

// Features stored in another dtype than the run's are computed with in the run's.
void widen(TrainingBatch& batch, const FeatureCache& cache) {
  if (batch.image_embeddings.defined())
    batch.image_embeddings = batch.image_embeddings.to(cache.precision());
}

}  // namespace

TrainingSet::TrainingSet(const DataOptions& options, const OpenBundle& bundle)
    : options_(options), bundle_(bundle) {
  for (const auto& source : options_.train) add_source(source);
  set_visits();
}

void TrainingSet::add_source(const DataSource& source) {
  const auto known = std::find_if(manifests_.begin(), manifests_.end(), [&](const auto& manifest) {
    return manifest->path() == source.manifest;
  });
  const auto index = static_cast<std::size_t>(known - manifests_.begin());
  if (known == manifests_.end())
    manifests_.push_back(std::make_unique<Manifest>(Manifest::read(source.manifest)));
  const Manifest& manifest = *manifests_[index];
  const auto records = manifest.split(source.split);
  if (records.empty())
    throw DataError(source.manifest + ": no record in split \"" + source.split + "\"");
  const auto image_tokens = bundle_.model->image_tokens();
  std::size_t dropped = 0;
  for (const Record* record : records) {
    const std::string where = str(source.manifest, ":", record->line);
    const auto dialogue = render(turns_of(*record), *bundle_.tokenizer, bundle_.conversation());
    std::size_t masks = 0;
    for (const RecordTurn* turn : answered_turns(*record)) masks += turn->masks.size();
    if (masks != dialogue.seg_positions.size()) {
      throw DataError(
          str(where, ": [SEG] count ", dialogue.seg_positions.size(), ", masks ", masks));
    }
    if (dialogue.answers.empty()) throw DataError(where + ": no answered turn to train on");
    const auto length = places(dialogue.ids, image_tokens);
    if (length > options_.max_tokens) {
      if (options_.long_records == "drop") {
        ++dropped;
        continue;
      }
      throw DataError(str(where, ": ", length, " tokens with the picture, but data.max_tokens is ",
                          options_.max_tokens));
    }
    items_.push_back({index, record, source.weight, taught(*record)});
    lengths_.push_back(length);
    labelled_.push_back(static_cast<std::int64_t>(dialogue.labels.size()) -
                        std::count(dialogue.labels.begin(), dialogue.labels.end(), kIgnoreLabel));
    masks_.push_back(static_cast<std::int64_t>(masks));
  }
  if (dropped > 0) {
    log_warning(str(source.manifest, ": ", dropped, " of ", records.size(),
                    " records dropped, longer than ", options_.max_tokens, " tokens"));
  }
}

void TrainingSet::set_visits() {
  std::map<std::string, double> counts;
  for (const auto& item : items_) {
    for (const auto& target : item.targets) counts[target] += item.weight;
  }
  double commonest = 0;
  for (const auto& [target, count] : counts) commonest = std::max(commonest, count);
  double total = 0;
  for (const auto& item : items_) {
    double visits = item.weight;
    double rarest = commonest;
    bool absent = false;
    for (const auto& target : item.targets) {
      rarest = std::min(rarest, counts[target]);
      absent = absent || target == kAbsent;
    }
    if (rarest > 0) visits *= std::pow(commonest / rarest, options_.balance);
    if (absent) visits *= options_.absent_weight;
    visits_.push_back(visits);
    total += visits;
  }
  if (!(total > 0)) throw ConfigError("data.train: every weight is 0, or every record was dropped");
}

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

TrainingBatch TrainingSet::load(const std::vector<std::size_t>& indices,
                                FeatureCache& cache) const {
  const at::NoGradGuard no_grad;
  std::vector<Sample> samples;
  std::int64_t tokens = 0;
  std::vector<Image> pictures;
  bool known = true;
  for (const auto index : indices) {
    const Item& item = items_[index];
    const auto features_of = [&](const Image& image) {
      auto features = cache.find(image);
      known = known && features != nullptr;
      pictures.push_back(image);
      return features;
    };
    samples.push_back(load_sample(*manifests_[item.manifest], *item.record, bundle_, features_of,
                                  options_.max_tokens));
    tokens += lengths_[index];
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
  return batch;
}

void TrainingSet::complete(TrainingBatch& batch, FeatureCache& cache) const {
  if (batch.samples.empty()) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    auto& features = batch.samples[i].features;
    if (features == nullptr) features = cache.get(batch.pictures[i], batch.samples[i].picture);
  }
  const auto tokens = batch.tokens;
  batch = make_training_batch(batch.samples, *bundle_.model);
  widen(batch, cache);
  batch.tokens = tokens;
}

std::vector<TrainingSet::MaskPlace> TrainingSet::mask_places() const {
  std::vector<MaskPlace> places;
  std::set<std::string> seen;
  for (const auto& item : items_) {
    for (const RecordTurn* turn : answered_turns(*item.record)) {
      const auto targets = targets_of(*item.record, *turn);
      for (std::size_t k = 0; k < targets.size(); ++k) {
        const auto [file, slice] = picture_of(item.manifest, *item.record);
        if (!seen.insert(str(item.manifest, "|", file.string(), "|", slice, "|", targets[k]))
                 .second)
          continue;
        places.push_back({item.manifest, item.record, turn->masks[k], targets[k]});
      }
    }
  }
  return places;
}

TrainingSet::PlacedMask TrainingSet::load_place(const MaskPlace& place, FeatureCache& cache,
                                                at::Tensor& truth) const {
  const Manifest& manifest = *manifests_[place.manifest];
  auto& features = placed_[picture_of(place.manifest, *place.record)];
  if (!features) features = cache.get(load_image(manifest, *place.record));
  if (!truth.defined()) {
    const auto width = static_cast<int>(features->frame.image_width),
               height = static_cast<int>(features->frame.image_height);
    truth =
        mask_tensor({load_mask(manifest, *place.record, place.ids, width, height)}, width, height)
            .to(at::kByte);
  }
  return {features};
}

TrainingSet::Picture TrainingSet::picture_of(std::size_t manifest, const Record& record) const {
  std::string slice;
  if (record.slice) slice = str(record.slice->axis, ":", record.slice->index);
  return {manifests_[manifest]->folder() / record.image, str(slice, " ", record.window)};
}

std::map<TrainingSet::Picture, const TrainingSet::Item*> TrainingSet::pictures() const {
  std::map<Picture, const Item*> pictures;
  for (const auto& item : items_) pictures.emplace(picture_of(item.manifest, *item.record), &item);
  return pictures;
}

std::pair<std::vector<std::pair<int, int>>, std::int64_t> TrainingSet::picture_sizes(
    std::size_t most) const {
  const auto all = pictures();
  const auto stride = std::max<std::size_t>(1, (all.size() + most - 1) / most);
  std::vector<std::pair<int, int>> sizes;
  std::size_t place = 0;
  for (const auto& [path, item] : all) {
    if (place++ % stride != 0) continue;
    const auto image = load_image(*manifests_[item->manifest], *item->record);
    sizes.emplace_back(image.width, image.height);
  }
  return {sizes, static_cast<std::int64_t>(all.size())};
}

std::pair<at::Tensor, at::Tensor> TrainingSet::vision_statistics(FeatureCache& cache) const {
  const at::NoGradGuard no_grad;
  at::Tensor sum, squares;
  double count = 0;
  for (const auto& [path, item] : pictures()) {
    stop_if_signalled();
    const auto picture = cache.get(load_image(*manifests_[item->manifest], *item->record));
    const auto features = picture->vision.to(at::kDouble);  // [N, Dv]
    sum = sum.defined() ? sum + features.sum(0) : features.sum(0);
    const auto square = features.square().sum(0);
    squares = squares.defined() ? squares + square : square;
    count += static_cast<double>(features.size(0));
  }
  const auto mean = sum / count;
  const auto deviation = (squares / count - mean.square()).clamp_min(0.0).sqrt();
  const auto least = 1e-3 * deviation.mean();  // a channel that never moves stays quiet
  return {mean.to(at::kFloat), at::maximum(deviation, least).to(at::kFloat)};
}

void TrainingSet::fill(FeatureCache& cache) const {
  const auto all = pictures();
  Progress bar("features", static_cast<std::int64_t>(all.size()));
  std::int64_t done = 0;
  for (const auto& [path, item] : all) {
    if (cache.full()) break;
    stop_if_signalled();
    cache.get(load_image(*manifests_[item->manifest], *item->record));
    bar.update(++done);
  }
}

std::vector<std::string> TrainingSet::coverage() const {
  std::map<std::string, std::pair<std::int64_t, double>> by_target;
  double visits = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    visits += visits_[i];
    for (const auto& target : items_[i].targets) {
      ++by_target[target].first;
      by_target[target].second += visits_[i];
    }
  }
  const auto [shortest, longest] = std::minmax_element(lengths_.begin(), lengths_.end());
  std::vector<std::string> lines = {str("data: ", size(), " records of ", by_target.size(),
                                        " targets, ", fixed(visits, 1), " visits an epoch, ",
                                        *shortest, " to ", *longest, " tokens")};
  for (const auto& [target, counts] : by_target) {
    lines.push_back(
        str("  ", target, ": ", counts.first, " records, ", fixed(counts.second, 1), " visits"));
  }
  return lines;
}

std::vector<std::pair<std::string, std::string>> TrainingSet::manifest_hashes() const {
  std::vector<std::pair<std::string, std::string>> hashes;
  for (const auto& manifest : manifests_) {
    hashes.emplace_back(manifest->path().string(), sha256_of_file(manifest->path()));
  }
  return hashes;
}

}  // namespace medseg
