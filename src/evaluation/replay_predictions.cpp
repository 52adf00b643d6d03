#include "medseg/evaluation/replay_predictions.h"

#include <algorithm>
#include <optional>
#include <set>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataset/slice_spacing.h"
#include "medseg/dataset/turns.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr int kProbable = 26;  // of 255: a probability above 0.1

// Turns of the split that `partial` leaves out are never left out in silence.
void say_what_is_missing(std::size_t answered, const Manifest& manifest, const std::string& split) {
  std::size_t all = 0;
  for (const Record* record : manifest.split(split)) all += answered_turns(*record).size();
  if (answered < all) {
    log_warning(str_cat(manifest.path().string(), ", split ", split, ": ", all - answered, " of ",
                        all, " turns have no prediction and are left out"));
  }
}

// Says once of a split that a label of 255 is read as a structure or as background.
class OddMasks {
 public:
  void look_at(const Manifest& manifest, const Record& record, const RecordTurn& turn) {
    for (const auto& ids : turn.masks) {
      for (const auto& id : ids) {
        const auto& source = record.masks.at(id);
        if (source.file.empty() || source.ignore || !seen_.insert(source.file).second) continue;
        if (!first_.empty() || mask_oddities(manifest, record, id).ignore.empty()) continue;
        first_ = str_cat(manifest.path().string(), ":", record.line, ": masks.", id, ": ",
                         mask_oddities(manifest, record, id).ignore);
      }
    }
  }
  void say() const {
    if (first_.empty()) return;
    log_warning(first_ +
                "; they are scored as the manifest says: with \"ignore\": 255 they would count "
                "neither way");
  }

 private:
  std::set<std::filesystem::path> seen_;
  std::string first_;
};

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

// Slices of one volume of a file share it, whatever else the file holds.
std::string case_name(const Record& record) {
  std::string name = record.image.lexically_normal().generic_string();
  if (record.slice && record.slice->volume) name += str_cat("#", *record.slice->volume);
  if (record.page) name += str_cat("#page ", *record.page);
  return name;
}

std::optional<GridSpacing> spacing_of(const Manifest& manifest, const Record& record,
                                      const RecordImage& image) {
  if (!image.spacing_mm) return std::nullopt;
  return GridSpacing{slice_step_mm(manifest, record).value_or(1), (*image.spacing_mm)[1],
                     (*image.spacing_mm)[0]};
}

ReplayTurn replay_turn(const JoinedTurn& joined, const Manifest& manifest, const RecordImage& shown,
                       const fs::path& folder) {
  const Record& record = *joined.record;
  const Image& image = shown.image;
  const std::string where = str_cat(manifest.path().string(), ":", record.line);
  ReplayTurn turn;
  turn.id = record.id;
  turn.turn = joined.index;
  turn.image = case_name(record);
  turn.subject = record.subject;
  turn.modality = record.modality;
  turn.phrasing = record.phrasing;
  if (record.slice) turn.plane = PlanePosition{record.slice->axis, record.slice->index};
  turn.spacing = spacing_of(manifest, record, shown);
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
  const auto ignored = ignored_pixels(manifest, record, *joined.turn, image.width, image.height);
  if (!ignored) return turn;
  turn.ignored = PackedMask(*ignored);
  for (auto* masks : {&turn.reference, &turn.predicted, &turn.probable}) {
    for (auto& mask : *masks) mask.remove(turn.ignored);
  }
  return turn;
}

// A record that could not be asked because its files cannot be read: all is missed, in a case of
// its own.
ReplayTurn unread_turn(const JoinedTurn& joined, const Manifest& manifest) {
  const Record& record = *joined.record;
  const ScoredTurn scored = failed_turn(manifest, record, *joined.turn);
  ReplayTurn turn;
  turn.id = record.id;
  turn.turn = joined.index;
  turn.image = str_cat(case_name(record), "#", record.id, ":", joined.index);
  turn.subject = record.subject;
  turn.modality = record.modality;
  turn.phrasing = record.phrasing;
  turn.height = turn.width = 1;
  turn.targets = scored.targets;
  for (const auto& mask : scored.reference) {
    turn.height = mask.height;
    turn.width = mask.width;
    turn.reference.emplace_back(mask);
  }
  turn.answer = joined.turn->answer;
  turn.asks_absent = scored.asks_absent;
  turn.failed = true;
  return turn;
}

// --- masks of a folder -----------------------------------------------------------

std::string file_part(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

// "ct-1" of "scans/ct-1.nii.gz".
std::string volume_stem(const Record& record) {
  std::string name = record.image.filename().string();
  for (const char* ending : {".gz", ".nii", ".nrrd", ".mha", ".mhd", ".hdr", ".img", ".nhdr"}) {
    if (name.ends_with(ending)) name.erase(name.size() - std::string_view(ending).size());
  }
  return name;
}

std::optional<fs::path> file_called(const fs::path& folder, const std::string& name,
                                    const std::string& label, bool only_label,
                                    const std::vector<const char*>& endings) {
  for (const char* ending : endings) {
    std::vector<fs::path> names = {folder / (name + "-" + label + ending),
                                   folder / name / (label + ending)};
    if (only_label) names.push_back(folder / (name + ending));
    for (const auto& file : names) {
      if (fs::exists(file)) return fs::absolute(file);
    }
  }
  return std::nullopt;
}

// By the record's id; for a slice else the volume that has its volume's name.
std::optional<fs::path> mask_file(const fs::path& folder, const Record& record,
                                  const std::string& label, bool only_label) {
  const std::string structure = file_part(label);
  auto found =
      file_called(folder, file_part(record.id), structure, only_label, {".png", ".nii.gz", ".nii"});
  if (!found && record.slice)
    found = file_called(folder, volume_stem(record), structure, only_label, {".nii.gz", ".nii"});
  return found;
}

// A picture's mask as a volume of one slice: voxel (i, j) is column i of row j, as SimpleITK writes
// a picture.
Mask flat_mask(const fs::path& file, const Image& image) {
  const Volume volume = read_volume(file);
  if (volume.size != std::array<std::int64_t, 3>{image.width, image.height, 1}) {
    throw DataError(file.string(), str_cat("a volume of ", volume.size[0], " x ", volume.size[1],
                                           " x ", volume.size[2], " voxels; expected ", image.width,
                                           " x ", image.height, " x 1, as the picture"));
  }
  Mask mask(image.width, image.height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = volume.voxels[i] != 0;
  return mask;
}

Mask read_mask_file(const Manifest& manifest, const Record& record, const fs::path& file,
                    const Image& image) {
  if (!record.slice && volume_format(file)) return flat_mask(file, image);
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

std::optional<Mask> ignored_pixels(const Manifest& manifest, const Record& record,
                                   const RecordTurn& turn, int width, int height) {
  std::vector<std::string> whole, parts;  // masks of kind "ignore"; masks with an "ignore" value
  for (const auto& [id, mask] : record.masks) {
    if (mask.kind == "ignore") whole.push_back(id);
  }
  for (const auto& ids : turn.masks) {
    for (const auto& id : ids) {
      const auto mask = record.masks.find(id);
      if (mask != record.masks.end() && mask->second.ignore) parts.push_back(id);
    }
  }
  if (whole.empty() && parts.empty()) return std::nullopt;
  return mask_union(load_mask(manifest, record, whole, width, height),
                    load_ignored(manifest, record, parts, width, height));
}

std::vector<ReplayTurn> replay_predictions(const std::vector<Prediction>& predictions,
                                           const Manifest& manifest, const std::string& split,
                                           bool partial, const fs::path& folder) {
  std::vector<ReplayTurn> turns;
  const Record* record = nullptr;
  RecordImage image;
  OddMasks odd;
  for (const auto& joined : join_predictions(predictions, manifest, split, partial)) {
    const auto read_turn = [&] {
      if (joined.record != record) {
        record = nullptr;
        image = raised_as<DataError>(str_cat(manifest.path().string(), ":", joined.record->line),
                                     [&] { return read_image_of(manifest, *joined.record); });
      }
      record = joined.record;
      odd.look_at(manifest, *record, *joined.turn);
      return replay_turn(joined, manifest, image, folder);
    };
    if (!joined.prediction->failed) {
      turns.push_back(read_turn());
      continue;
    }
    try {
      turns.push_back(read_turn());
    } catch (const DataError&) {  // the reason why it failed, as a rule
      turns.push_back(unread_turn(joined, manifest));
    }
  }
  odd.say();
  if (partial) say_what_is_missing(turns.size(), manifest, split);
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
        const auto file =
            mask_file(folder, *record, label, !absent && targets.size() == 1 && turns.size() == 1);
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
                    "no mask of the split in it; expected ID.png, ID-LABEL.png or ID/LABEL.png, or "
                    ".nii.gz, whose ID may be the volume's name");
  }
  return predictions;
}

}  // namespace medseg
