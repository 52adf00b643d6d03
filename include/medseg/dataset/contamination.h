/// \file
/// Was the test data trained on? Two manifests beside each other, or one beside the hashes that a
/// run kept of what it was trained on.
///
///     patient         subjects equal without case, separators and leading zeros (dataset/leaks.h)
///     volume          equal voxels, whatever file holds them
///     pixels          equal pictures, whatever the format; grey and equal channels are the same
///     near duplicate  perceptual hashes (image/perceptual_hash.h) that differ in at most 12 of 256
///                     bits, of pictures with at least 16 bits: a copy that was scaled or
///                     compressed, often also a neighbouring slice
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/base/choice.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

enum class SharedKind { kPatient, kVolume, kPixels, kNearDuplicate };
template <>
struct Choice<SharedKind> {
  static constexpr ChoiceNames<SharedKind, 4> names = {
      {{SharedKind::kPatient, "patient"},
       {SharedKind::kVolume, "volume"},
       {SharedKind::kPixels, "pixels"},
       {SharedKind::kNearDuplicate, "near duplicate"}}};
};

/// A patient, volume or picture of the test data, and the first (of near duplicates the nearest)
/// that is the same in the other data.
struct SharedPair {
  SharedKind kind = SharedKind::kPixels;
  std::string test, other;              ///< subject, volume file, or picture
  std::string test_place, other_place;  ///< "manifest.jsonl:7"
  int distance = 0;                     ///< bits, of near duplicates
};

struct Contamination {
  std::map<SharedKind, std::int64_t> all, shared;  ///< of the test data; near duplicates: pictures
  std::vector<SharedPair> pairs;                   ///< sorted by kind, then as in the manifest
};

/// A manifest and the split of it that is meant; "" is all.
struct DataPart {
  const Manifest* manifest = nullptr;
  std::string split;
};

/// Reads every picture. A picture with the same pixels in the other data is no near duplicate of a
/// third one. \throws DataError as load_image, or on a split without a record.
Contamination find_contamination(const DataPart& test, const std::vector<DataPart>& others);

/// Counts, then at most `shown` pairs of each kind.
std::string contamination_text(const Contamination& found, std::size_t shown = 20);
/// {"patient": {"all", "shared"}, …, "pairs": […]}: every pair.
nlohmann::ordered_json contamination_json(const Contamination& found);

/// Hashes of what a model was trained on: enough to recognise a patient, volume or picture, not to
/// show it. A short patient name can still be guessed by hashing names: treat the file as personal
/// data where names of patients are.
struct TrainedOn {
  std::set<std::string> patients, volumes, pictures;  ///< the first 32 digits of SHA-256

  void merge(const TrainedOn& other);
};

/// Of one training source. Reads every picture; those that cannot be read have no hash and are
/// added to `unread`. \throws DataError on a split without a record.
TrainedOn hashes_of(const DataPart& part, std::int64_t& unread);

/// Its name in a run and in a bundle.
inline constexpr const char* kTrainedOnFile = "trained_on.json";
/// trained_on.json: {"format": "medseg-trained-on-1", "patients": […], "volumes", "pictures"}.
void write_trained_on(const std::filesystem::path& file, const TrainedOn& trained);
/// \throws DataError on another form.
TrainedOn read_trained_on(const std::filesystem::path& file);

struct SeenInTraining {
  bool known = false;
  std::int64_t pictures = 0, seen_pictures = 0, patients = 0, seen_patients = 0, volumes = 0,
               seen_volumes = 0;
  std::int64_t unread = 0;  ///< pictures that cannot be read, and are not among `pictures`
};

/// Without `trained` nothing is known, and no picture is read.
SeenInTraining seen_in_training(const DataPart& test, const std::optional<TrainedOn>& trained);

/// "3 of 40 test pictures and 2 of 9 patients were trained on", or that it is unknown.
std::string leakage_statement(const SeenInTraining& seen);
/// {"known", "pictures", "seen_pictures", …, "statement"}: key "leakage" of evaluation.json.
nlohmann::ordered_json leakage_json(const SeenInTraining& seen);

}  // namespace medseg
