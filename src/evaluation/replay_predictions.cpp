#include "medseg/evaluation/replay_predictions.h"

#include <algorithm>
#include <optional>

#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr int kProbable = 26;  // of 255: a probability above 0.1

std::vector<std::string> ignored_ids(const Record& record) {
  std::vector<std::string> ids;
  for (const auto& [id, mask] : record.masks) {
    if (mask.kind == "ignore") ids.push_back(id);
  }
  return ids;
}

PackedMask probable_pixels(const fs::path& file, int width, int height) {
  const Image map = read_image(file);
  if (map.width != width || map.height != height || map.channels != 1) {
    throw DataError(file.string(), str_cat("expected a grey map of ", width, "x", height,
                                           ", found ", map.width, "x", map.height));
  }
  Mask mask(width, height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i)
    mask.pixels[i] = map.pixels[i] >= kProbable ? 1 : 0;
  return PackedMask(mask);
}

void add_answer(const Prediction& prediction, const fs::path& folder, ReplayTurn& turn) {
  turn.failed = prediction.failed;
  turn.text = prediction.text;
  turn.phrases = prediction.phrases;
  for (const auto& mask : prediction.masks) {
    turn.predicted.emplace_back(decode_rle(mask.rle));
    turn.scores.push_back(mask.score);
    if (mask.probability.empty()) continue;
    turn.probable.push_back(probable_pixels(folder / mask.probability, static_cast<int>(turn.width),
                                            static_cast<int>(turn.height)));
  }
}

ReplayTurn replay_turn(const JoinedTurn& joined, const Manifest& manifest, const Image& image,
                       const fs::path& folder) {
  const Record& record = *joined.record;
  const std::string where = str_cat(manifest.path().string(), ":", record.line);
  ReplayTurn turn;
  turn.id = record.id;
  turn.turn = joined.index;
  turn.image = record.image.string();
  turn.subject = record.subject;
  turn.modality = record.modality;
  turn.phrasing = record.phrasing;
  if (record.slice) turn.plane = PlanePosition{record.slice->axis, record.slice->index};
  if (record.spacing_mm)
    turn.spacing = GridSpacing{1, (*record.spacing_mm)[1], (*record.spacing_mm)[0]};
  turn.height = image.height;
  turn.width = image.width;
  turn.targets = targets_of(record, *joined.turn);
  turn.answer = joined.turn->answer;
  turn.asks_absent = joined.turn->masks.empty() && !record.absent.empty();
  for (const auto& ids : joined.turn->masks)
    turn.reference.emplace_back(load_mask(manifest, record, ids, image.width, image.height));
  ScoredTurn sizes;  // refuses masks of another size
  add_prediction(sizes, *joined.prediction, where, image.width, image.height);
  add_answer(*joined.prediction, folder, turn);
  const auto ignored = ignored_ids(record);
  if (ignored.empty()) return turn;
  const PackedMask ignore(load_mask(manifest, record, ignored, image.width, image.height));
  for (auto* masks : {&turn.reference, &turn.predicted, &turn.probable}) {
    for (auto& mask : *masks) mask.remove(ignore);
  }
  return turn;
}

// --- masks of a folder -----------------------------------------------------------

std::string file_part(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

std::optional<fs::path> mask_file(const fs::path& folder, const std::string& id,
                                  const std::string& label, bool only_label) {
  const std::string record = file_part(id), structure = file_part(label);
  for (const char* ending : {".png", ".nii.gz", ".nii"}) {
    std::vector<fs::path> names = {folder / (record + "-" + structure + ending),
                                   folder / record / (structure + ending)};
    if (only_label) names.push_back(folder / (record + ending));
    for (const auto& name : names) {
      if (fs::exists(name)) return fs::absolute(name);
    }
  }
  return std::nullopt;
}

Mask read_mask_file(const Manifest& manifest, const Record& record, const fs::path& file,
                    const Image& image) {
  Record other = record;  // the manifest's own reader: PNG, or the record's slice of a volume
  other.masks = {{"prediction", MaskSource{}}};
  other.masks["prediction"].file = file;
  return load_mask(manifest, other, {"prediction"}, image.width, image.height);
}

void add_mask(Prediction& prediction, const Mask& mask, const std::string& label) {
  prediction.masks.push_back({encode_rle(mask), 1, 1, 1});
  prediction.phrases.push_back(label);
}

}  // namespace

std::vector<ReplayTurn> replay_predictions(const std::vector<Prediction>& predictions,
                                           const Manifest& manifest, const std::string& split,
                                           bool partial, const fs::path& folder) {
  std::vector<ReplayTurn> turns;
  const Record* record = nullptr;
  Image image;
  for (const auto& joined : join_predictions(predictions, manifest, split, partial)) {
    if (joined.record != record) image = load_image(manifest, *joined.record);
    record = joined.record;
    turns.push_back(replay_turn(joined, manifest, image, folder));
  }
  return turns;
}

std::vector<Prediction> predictions_of_masks(const fs::path& folder, const Manifest& manifest,
                                             const std::string& split) {
  std::vector<Prediction> predictions;
  std::size_t found = 0;
  for (const Record* record : manifest.split(split)) {
    const auto turns = answered_turns(*record);
    const Image image = load_image(manifest, *record);
    for (std::size_t t = 0; t < turns.size(); ++t) {
      Prediction prediction;
      prediction.id = record->id;
      prediction.turn = static_cast<int>(t);
      prediction.question = turns[t]->question;
      const auto targets = targets_of(*record, *turns[t]);
      const bool absent = turns[t]->masks.empty();
      std::size_t kept = 0;  // masks behind the last file are missed, not empty
      for (const auto& label : absent ? record->absent : targets) {
        const auto file = mask_file(folder, record->id, label,
                                    !absent && targets.size() == 1 && turns.size() == 1);
        if (file) ++found;
        const Mask mask = file ? read_mask_file(manifest, *record, *file, image)
                               : Mask(image.width, image.height);
        // The i-th mask answers the i-th reference: a missing file is an empty mask in its stead.
        if (!absent || mask.area() > 0) add_mask(prediction, mask, label);
        if (file) kept = prediction.masks.size();
      }
      prediction.masks.resize(kept);
      prediction.phrases.resize(kept);
      predictions.push_back(std::move(prediction));
    }
  }
  if (found == 0) {
    throw DataError(folder.string(),
                    "no mask of the split in it; expected ID.png, ID-LABEL.png or ID/LABEL.png");
  }
  return predictions;
}

}  // namespace medseg
