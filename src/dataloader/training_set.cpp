#include "medseg/dataloader/training_set.h"

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
#include "medseg/dataset/turns.h"
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

}  // namespace

TrainingSet::TrainingSet(const DataOptions& options, const OpenBundle& bundle, std::uint64_t seed)
    : options_(options), bundle_(bundle), seed_(seed) {
  for (std::size_t i = 0; i < options_.train.size(); ++i) add_source(i);
  set_visits();
}

std::size_t TrainingSet::open_manifest(const std::string& path) {
  const auto known = std::find_if(manifests_.begin(), manifests_.end(),
                                  [&](const auto& manifest) { return manifest->path() == path; });
  const auto index = static_cast<std::size_t>(known - manifests_.begin());
  if (known == manifests_.end())
    manifests_.push_back(std::make_unique<Manifest>(read_manifest(path)));
  return index;
}

Manifest TrainingSet::read_manifest(const std::string& path) {
  if (!quarantines()) return Manifest::read(path);
  std::vector<ManifestFault> faults;
  auto manifest = Manifest::read(path, faults);
  for (const auto& fault : faults)
    left_out_.push_back({fault.id, path, fault.line, "line", fault.what});
  return manifest;
}

TrainingSet::DialogueSize TrainingSet::check_dialogue(const Record& record) const {
  const auto dialogue = render(turns_of(record), *bundle_.tokenizer, bundle_.conversation());
  std::size_t masks = 0;
  for (const RecordTurn* turn : answered_turns(record)) masks += turn->masks.size();
  if (masks != dialogue.seg_positions.size()) {
    throw DataError(str_cat("[SEG] count ", dialogue.seg_positions.size(), ", masks ", masks));
  }
  if (dialogue.answers.empty()) throw DataError("no answered turn to train on");
  const auto ignored = std::count(dialogue.labels.begin(), dialogue.labels.end(), kIgnoreLabel);
  return {.tokens = places(dialogue.ids, bundle_.model->image_tokens()),
          .labelled = static_cast<std::int64_t>(dialogue.labels.size()) - ignored,
          .masks = static_cast<std::int64_t>(masks)};
}

void TrainingSet::add_source(std::size_t source_index) {
  const DataSource& source = options_.train[source_index];
  const auto index = open_manifest(source.manifest);
  const Manifest& manifest = *manifests_[index];
  const auto records = manifest.split(source.split);
  if (records.empty())
    throw DataError(source.manifest + ": no record in split \"" + source.split + "\"");
  std::size_t dropped = 0;
  for (const Record* record : records) {
    const std::string where = str_cat(source.manifest, ":", record->line);
    DialogueSize dialogue;
    try {
      dialogue = check_dialogue(*record);
    } catch (const DataError& error) {
      if (!quarantines()) throw DataError(where + ": " + error.what());
      left_out_.push_back({record->id, source.manifest, record->line, "dialogue", error.what()});
      continue;
    }
    if (dialogue.tokens > options_.max_tokens) {
      if (options_.long_records == "drop") {
        ++dropped;
        continue;
      }
      throw DataError(str_cat(where, ": ", dialogue.tokens,
                              " tokens with the picture, but data.max_tokens is ",
                              options_.max_tokens));
    }
    const double weight = concatenates() ? source.weight : 1.0;
    items_.push_back({index, record, weight, taught(*record)});
    sources_.push_back(source_index);
    lengths_.push_back(dialogue.tokens);
    labelled_.push_back(dialogue.labelled);
    masks_.push_back(dialogue.masks);
  }
  if (dropped > 0) {
    log_warning(str_cat(source.manifest, ": ", dropped, " of ", records.size(),
                        " records dropped, longer than ", options_.max_tokens, " tokens"));
  }
}

// Targets are balanced within an epoch: among all sources, or within each.
void TrainingSet::set_visits() {
  visits_.assign(items_.size(), 0.0);
  std::vector<std::vector<std::size_t>> epochs(concatenates() ? 1 : options_.train.size());
  for (std::size_t i = 0; i < items_.size(); ++i)
    epochs[concatenates() ? 0 : sources_[i]].push_back(i);
  double reachable = 0;
  for (std::size_t e = 0; e < epochs.size(); ++e) {
    set_visits_of(epochs[e]);
    double total = 0;
    for (const auto i : epochs[e]) total += visits_[i];
    const double weight = concatenates() ? 1.0 : options_.train[e].weight;
    if (!concatenates() && weight > 0 && !(total > 0)) {
      throw ConfigError(str_cat("data.train[", e, "]: no record of ", options_.train[e].manifest,
                                " is ever visited"));
    }
    reachable += weight * total;
  }
  if (!(reachable > 0))
    throw ConfigError("data.train: every weight is 0, or every record was dropped");
}

void TrainingSet::set_visits_of(const std::vector<std::size_t>& indices) {
  std::map<std::string, double> counts;
  for (const auto i : indices) {
    for (const auto& target : items_[i].targets) counts[target] += items_[i].weight;
  }
  double commonest = 0;
  for (const auto& [target, count] : counts) commonest = std::max(commonest, count);
  for (const auto i : indices) {
    double visits = items_[i].weight;
    double rarest = commonest;
    bool absent = false;
    for (const auto& target : items_[i].targets) {
      rarest = std::min(rarest, counts[target]);
      absent = absent || target == kAbsent;
    }
    if (rarest > 0) visits *= std::pow(commonest / rarest, options_.balance);
    if (absent) visits *= options_.absent_weight;
    visits_[i] = visits;
  }
}

std::vector<double> TrainingSet::shares() const {
  if (concatenates()) return {};
  std::vector<double> shares(options_.train.size(), 0.0);
  if (options_.mixing == "temperature") {
    std::vector<double> sizes(shares.size(), 0.0);
    for (const auto source : sources_) ++sizes[source];
    for (std::size_t s = 0; s < shares.size(); ++s)
      shares[s] = options_.train[s].weight * std::pow(sizes[s], options_.mixing_alpha);
  } else {
    for (std::size_t s = 0; s < shares.size(); ++s) shares[s] = options_.train[s].weight;
  }
  double total = 0;
  for (const double share : shares) total += share;
  for (double& share : shares) share /= total;
  return shares;
}

std::vector<TrainingSet::MaskPlace> TrainingSet::mask_places() const {
  std::vector<MaskPlace> places;
  std::set<std::string> seen;
  for (std::size_t index = 0; index < items_.size(); ++index) {
    const auto& item = items_[index];
    for (const RecordTurn* turn : answered_turns(*item.record)) {
      const auto targets = targets_of(*item.record, *turn);
      for (std::size_t k = 0; k < targets.size(); ++k) {
        const auto [file, slice] = picture_place(item.manifest, *item.record);
        if (!seen.insert(str_cat(item.manifest, "|", file.string(), "|", slice, "|", targets[k]))
                 .second)
          continue;
        places.push_back({index, item.manifest, item.record, turn->masks[k], targets[k]});
      }
    }
  }
  return places;
}

TrainingSet::PlacedMask TrainingSet::load_place(const MaskPlace& place, FeatureCache& cache,
                                                at::Tensor& truth) const {
  const Manifest& manifest = *manifests_[place.manifest];
  auto& features = placed_[picture_place(place.manifest, *place.record)];
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

TrainingSet::Picture TrainingSet::picture_place(std::size_t manifest, const Record& record) const {
  std::string slice;
  if (record.slice) slice = str_cat(record.slice->axis, ":", record.slice->index);
  return {manifests_[manifest]->folder() / record.image, str_cat(slice, " ", record.window)};
}

std::map<TrainingSet::Picture, std::size_t> TrainingSet::pictures() const {
  std::map<Picture, std::size_t> pictures;
  for (std::size_t i = 0; i < items_.size(); ++i)
    pictures.emplace(picture_place(items_[i].manifest, *items_[i].record), i);
  return pictures;
}

std::pair<std::vector<std::pair<int, int>>, std::int64_t> TrainingSet::picture_sizes(
    std::size_t most) const {
  const auto all = pictures();
  const auto stride = std::max<std::size_t>(1, (all.size() + most - 1) / most);
  std::vector<std::pair<int, int>> sizes;
  std::size_t place = 0;
  for (const auto& [path, index] : all) {
    if (place++ % stride != 0) continue;
    if (const auto image = picture_of(index)) sizes.emplace_back(image->width, image->height);
  }
  return {sizes, static_cast<std::int64_t>(all.size())};
}

std::pair<at::Tensor, at::Tensor> TrainingSet::vision_statistics(FeatureCache& cache) const {
  const at::NoGradGuard no_grad;
  at::Tensor sum, squares;
  double count = 0;
  for (const auto& [path, index] : pictures()) {
    stop_if_signalled();
    const auto image = picture_of(index);
    if (!image) continue;
    const auto features = cache.get(*image)->vision.to(at::kDouble);  // [N, Dv]
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

void TrainingSet::fill(FeatureCache& cache, Comm* comm) const {
  if (options_.augment.is_on() && options_.augment.share >= 1) return;
  const auto all = pictures();
  const auto get_each = [&](const std::string& title, std::size_t first, std::size_t stride) {
    Progress bar(title, static_cast<std::int64_t>(all.size()));
    std::size_t place = 0;
    for (const auto& [path, index] : all) {
      if (cache.full()) break;
      const auto i = place++;
      if (i % stride != first) continue;
      stop_if_signalled();
      if (const auto image = picture_of(index)) cache.get(*image);
      bar.update(static_cast<std::int64_t>(place));
    }
  };
  if (comm != nullptr && !comm->is_alone() && cache.folder() != nullptr) {
    get_each("features", static_cast<std::size_t>(comm->rank()),
             static_cast<std::size_t>(comm->size()));
    comm->barrier();
    return get_each("features of all", 0, 1);
  }
  get_each("features", 0, 1);
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
  std::vector<std::string> lines = {str_cat("data: ", size(), " records of ", by_target.size(),
                                            " targets, ", fixed(visits, 1), " visits an epoch, ",
                                            *shortest, " to ", *longest, " tokens")};
  for (const auto& [target, counts] : by_target) {
    lines.push_back(str_cat("  ", target, ": ", counts.first, " records, ", fixed(counts.second, 1),
                            " visits"));
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
