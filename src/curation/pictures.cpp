#include "medseg/curation/pictures.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

#include "medseg/base/error.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"

namespace medseg {
namespace {

constexpr std::int64_t kFarSlices = 3;      // an absent structure is not that near
constexpr std::size_t kFewestForRanks = 8;  // masks of a label before one is called small

/// What makes two mask sources the same pixels.
std::string source_key(const MaskSource& source) {
  Record bare;
  bare.id = "x";
  bare.image = "x";
  bare.masks["m"] = source;
  return to_json_line(bare);
}

struct Assembly {
  Picture picture;
  std::map<std::string, std::string> key_of_label;
  std::set<std::string> absent;
};

void add_masks(Assembly& assembly, const Record& record, std::int64_t& dropped) {
  for (const auto& [id, source] : record.masks) {
    const std::string key = source_key(source);
    const auto [known, is_new] = assembly.key_of_label.emplace(source.label, key);
    if (is_new) {
      auto& masks = assembly.picture.record.masks;
      masks[str_cat("m", masks.size())] = source;
    } else if (known->second != key) {
      ++dropped;
    }
  }
  assembly.absent.insert(record.absent.begin(), record.absent.end());
}

/// The scan that a slice belongs to; "" for a single picture.
std::string scan_of(const Record& record) {
  if (!record.slice) return "";
  return str_cat(record.image.generic_string(), "#", record.slice->axis, ":",
                 record.slice->volume.value_or(-1));
}

double size_of(const MaskFacts& mask) { return mask.area_mm2.value_or(mask.share); }

/// The lower and the upper quarter of all masks of a label, in pictures of one plane.
void rank_sizes(std::vector<Picture>& pictures) {
  std::map<std::tuple<std::string, Plane, bool>, std::vector<double>> sizes;
  const auto key = [](const Picture& picture, const MaskFacts& mask) {
    return std::tuple(mask.label, picture.facts.view.plane, mask.area_mm2.has_value());
  };
  for (const auto& picture : pictures) {
    for (const auto& mask : picture.facts.masks) sizes[key(picture, mask)].push_back(size_of(mask));
  }
  for (auto& [unused, all] : sizes) std::sort(all.begin(), all.end());
  for (auto& picture : pictures) {
    for (auto& mask : picture.facts.masks) {
      const auto& all = sizes.at(key(picture, mask));
      if (all.size() < kFewestForRanks) continue;
      const double size = size_of(mask);
      mask.size = size < all[all.size() / 4]       ? SizeInSet::kSmall
                  : size > all[3 * all.size() / 4] ? SizeInSet::kLarge
                                                   : SizeInSet::kTypical;
    }
  }
}

std::string region_of(const Picture& picture, const Vocabulary& vocabulary) {
  std::string region;
  for (const auto& mask : picture.facts.masks) {
    const auto* structure = vocabulary.find(mask.label);
    if (structure == nullptr) continue;
    if (!region.empty() && region != structure->region) return "";
    region = structure->region;
  }
  return region;
}

using ShownIn = std::map<std::string, std::map<std::string, std::set<std::int64_t>>>;

/// Slices of each scan that show a label, by scan and label.
ShownIn shown_in(const std::vector<Picture>& pictures) {
  ShownIn shown;
  for (const auto& picture : pictures) {
    const std::string scan = scan_of(picture.record);
    if (scan.empty()) continue;
    for (const auto& mask : picture.facts.masks)
      shown[scan][mask.label].insert(picture.record.slice->index);
  }
  return shown;
}

bool near(const std::set<std::int64_t>& slices, std::int64_t index) {
  const auto from = slices.lower_bound(index - kFarSlices);
  return from != slices.end() && *from <= index + kFarSlices;
}

void find_absent(std::vector<Picture>& pictures, const Vocabulary& vocabulary) {
  const ShownIn shown = shown_in(pictures);
  std::map<std::string, std::string> region_of_label;
  for (const auto& picture : pictures) {
    for (const auto& mask : picture.facts.masks) {
      const auto* structure = vocabulary.find(mask.label);
      if (structure != nullptr) region_of_label[mask.label] = structure->region;
    }
  }
  for (auto& picture : pictures) {
    const std::string scan = scan_of(picture.record);
    const auto listed = picture.record.absent;
    picture.absent = {listed.begin(), listed.end()};
    for (const auto& label : picture.facts.empty) {
      const auto of_scan = shown.find(scan);
      if (scan.empty() || of_scan == shown.end()) continue;
      const auto slices = of_scan->second.find(label);
      if (slices == of_scan->second.end() || !near(slices->second, picture.record.slice->index))
        picture.absent.insert(label);
    }
    for (const auto& [label, region] : region_of_label) {
      if (!picture.region.empty() && vocabulary.far_apart(region, picture.region))
        picture.absent.insert(label);
    }
    for (const auto& mask : picture.facts.masks) picture.absent.erase(mask.label);
  }
}

}  // namespace

std::vector<Picture> pictures_of(const Manifest& manifest, std::int64_t* dropped) {
  std::vector<Assembly> assemblies;
  std::map<std::string, std::size_t> index_of;
  std::int64_t left_out = 0;
  for (const auto& record : manifest.records()) {
    const auto [known, is_new] = index_of.emplace(picture_key(record), assemblies.size());
    if (is_new) {
      Assembly assembly;
      assembly.picture.record = record;
      assembly.picture.record.masks.clear();
      assembly.picture.record.turns.clear();
      assembly.picture.record.phrasing.clear();
      assembly.picture.record.review.reset();
      assemblies.push_back(std::move(assembly));
    }
    add_masks(assemblies[known->second], record, left_out);
  }
  std::vector<Picture> pictures;
  for (auto& assembly : assemblies) {
    for (const auto& [label, unused] : assembly.key_of_label) assembly.absent.erase(label);
    assembly.picture.record.absent.assign(assembly.absent.begin(), assembly.absent.end());
    pictures.push_back(std::move(assembly.picture));
  }
  if (dropped != nullptr) *dropped = left_out;
  return pictures;
}

View view_of(const Record& record) {
  View view;
  if (record.slice) {
    view.plane = record.slice->axis == 2   ? Plane::kAxial
                 : record.slice->axis == 1 ? Plane::kCoronal
                                           : Plane::kSagittal;
    view.patient_sides = view.plane != Plane::kSagittal;
    return view;
  }
  static const std::set<std::string> hung = {"ct", "mr", "mri", "pet", "xray", "x-ray", "cr", "dx"};
  view.patient_sides = view.assumed = hung.contains(record.modality);
  return view;
}

PictureFacts read_facts(const Manifest& manifest, const Picture& picture) {
  const auto& record = picture.record;
  return raised_as<DataError>(str_cat(manifest.path().string(), ":", record.line), [&] {
    const RecordImage shown = read_image_of(manifest, record);
    std::vector<NamedMask> masks;
    for (const auto& [id, source] : record.masks) {
      masks.push_back({id, source.label,
                       read_mask_of(manifest, record, id, shown.image.width, shown.image.height)});
    }
    return facts_of(shown.image, masks, view_of(record), shown.spacing_mm);
  });
}

void fill_pictures(const Manifest& manifest, const Vocabulary& vocabulary,
                   std::vector<Picture>& pictures,
                   const std::function<void(std::size_t)>& on_picture) {
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    stop_if_signalled();
    pictures[i].facts = read_facts(manifest, pictures[i]);
    pictures[i].region = region_of(pictures[i], vocabulary);
    if (on_picture) on_picture(i + 1);
  }
  rank_sizes(pictures);
  find_absent(pictures, vocabulary);
}

}  // namespace medseg
