#include "medseg/dataset/contamination.h"

#include <algorithm>

#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "medseg/image/perceptual_hash.h"

namespace medseg {
namespace {

constexpr int kMostBits = 12, kLeastStructure = 16;

// One patient, volume or picture of a manifest.
struct Item {
  std::string key;   // equal keys are the same
  std::string name;  // for people
  std::string place;
  PerceptualHash look{};  // of a picture
};

struct Items {
  std::vector<Item> patients, volumes, pictures;  // each once, in the manifest's order

  const std::vector<Item>& of(SharedKind kind) const {
    return kind == SharedKind::kPatient  ? patients
           : kind == SharedKind::kVolume ? volumes
                                         : pictures;
  }
};

std::vector<const Record*> records_of(const DataPart& part) {
  auto records = part.manifest->split(part.split);
  if (records.empty()) {
    throw DataError(part.manifest->path().string(), "no record in split \"" + part.split + "\"");
  }
  return records;
}

struct ReadPicture {
  std::string volume;  ///< digest; "" of an image file
  std::string pixels;
  PerceptualHash look{};
};

ReadPicture read(const Manifest& manifest, const Record& record, const std::string& place) {
  ReadPicture read;
  read.volume = raised_as<DataError>(place, [&] { return volume_digest(manifest, record); });
  const Image image = load_image(manifest, record);
  read.pixels = picture_digest(image);
  read.look = perceptual_hash(image);
  return read;
}

// With `unread`, pictures that cannot be read are left out and counted.
Items items_of(const DataPart& part, std::int64_t* unread = nullptr) {
  Items items;
  std::set<std::string> patients, volumes, pictures, names;
  for (const Record* record : records_of(part)) {
    const std::string place = str_cat(part.manifest->path().string(), ":", record->line);
    const std::string patient = record->subject.empty() ? "" : subject_key(record->subject);
    if (!patient.empty() && patients.insert(patient).second)
      items.patients.push_back({patient, record->subject, place, {}});
    if (!names.insert(picture_key(*record)).second) continue;  // asked about before
    ReadPicture one;
    try {
      one = read(*part.manifest, *record, place);
    } catch (const DataError&) {
      if (unread == nullptr) throw;
      ++*unread;
      continue;
    }
    if (!one.volume.empty() && volumes.insert(one.volume).second)
      items.volumes.push_back({one.volume, record->image.generic_string(), place, {}});
    if (pictures.insert(one.pixels).second)
      items.pictures.push_back({one.pixels, picture_key(*record), place, one.look});
  }
  return items;
}

void add_pair(Contamination& found, SharedKind kind, const Item& test, const Item& other,
              int bits = 0) {
  ++found.shared[kind];
  found.pairs.push_back({kind, test.name, other.name, test.place, other.place, bits});
}

std::set<std::string> add_equal(Contamination& found, SharedKind kind, const Items& test,
                                const std::vector<Items>& others) {
  std::map<std::string, const Item*> known;
  for (const auto& items : others) {
    for (const auto& item : items.of(kind)) known.try_emplace(item.key, &item);
  }
  std::set<std::string> shared;
  found.all[kind] = static_cast<std::int64_t>(test.of(kind).size());
  found.shared[kind] = 0;
  for (const auto& item : test.of(kind)) {
    const auto same = known.find(item.key);
    if (same == known.end()) continue;
    add_pair(found, kind, item, *same->second);
    shared.insert(item.key);
  }
  return shared;
}

void add_near(Contamination& found, const Items& test, const std::vector<Items>& others,
              const std::set<std::string>& equal) {
  constexpr auto kKind = SharedKind::kNearDuplicate;
  found.all[kKind] = static_cast<std::int64_t>(test.pictures.size());
  found.shared[kKind] = 0;
  for (const auto& item : test.pictures) {
    if (equal.contains(item.key) || item.look.set_bits() < kLeastStructure) continue;
    const Item* nearest = nullptr;
    int bits = kMostBits + 1;
    for (const auto& items : others) {
      for (const auto& other : items.pictures) {
        const int here = distance(item.look, other.look);
        if (here >= bits || other.look.set_bits() < kLeastStructure) continue;
        bits = here;
        nearest = &other;
      }
    }
    if (nearest != nullptr) add_pair(found, kKind, item, *nearest, bits);
  }
}

std::string shortened(const std::string& key) {
  constexpr std::size_t kDigits = 32;
  return key.substr(0, kDigits);
}

std::set<std::string> hashes(const std::vector<Item>& items, bool plain) {
  std::set<std::string> all;
  for (const auto& item : items)
    all.insert(shortened(plain ? sha256("patient " + item.key) : item.key));
  return all;
}

std::int64_t count_shared(const std::set<std::string>& some, const std::set<std::string>& known) {
  return std::count_if(some.begin(), some.end(),
                       [&](const std::string& hash) { return known.contains(hash); });
}

}  // namespace

Contamination find_contamination(const DataPart& test, const std::vector<DataPart>& others) {
  const Items items = items_of(test);
  std::vector<Items> other_items;
  for (const auto& other : others) other_items.push_back(items_of(other));
  Contamination found;
  add_equal(found, SharedKind::kPatient, items, other_items);
  add_equal(found, SharedKind::kVolume, items, other_items);
  const auto equal = add_equal(found, SharedKind::kPixels, items, other_items);
  add_near(found, items, other_items, equal);
  return found;
}

void TrainedOn::merge(const TrainedOn& other) {
  patients.insert(other.patients.begin(), other.patients.end());
  volumes.insert(other.volumes.begin(), other.volumes.end());
  pictures.insert(other.pictures.begin(), other.pictures.end());
}

TrainedOn hashes_of(const DataPart& part, std::int64_t& unread) {
  const Items items = items_of(part, &unread);
  return {hashes(items.patients, /*plain=*/true), hashes(items.volumes, /*plain=*/false),
          hashes(items.pictures, /*plain=*/false)};
}

SeenInTraining seen_in_training(const DataPart& test, const std::optional<TrainedOn>& trained) {
  if (!trained) return {};
  std::int64_t unread = 0;
  const TrainedOn own = hashes_of(test, unread);
  const auto count = [](const auto& hashes) { return static_cast<std::int64_t>(hashes.size()); };
  return {true,
          count(own.pictures),
          count_shared(own.pictures, trained->pictures),
          count(own.patients),
          count_shared(own.patients, trained->patients),
          count(own.volumes),
          count_shared(own.volumes, trained->volumes),
          unread};
}

}  // namespace medseg
