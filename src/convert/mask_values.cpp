#include "mask_values.h"

#include <algorithm>
#include <fstream>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/image/mask_file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

bool is_jpeg(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  unsigned char bytes[2] = {0, 0};
  file.read(reinterpret_cast<char*>(bytes), 2);
  return bytes[0] == 0xff && bytes[1] == 0xd8;
}

constexpr int kHalf = 127;
constexpr std::size_t kMostLabels = 64;  // more samples than that are soft edges

bool is_soft(const MaskValues& values) {
  if (values.pixels.size() <= 2) return false;
  const auto most = values.pixels.rbegin()->first;
  return most == 255 && (values.pixels.size() > kMostLabels || values.above(kHalf) > 0);
}

void add_value_mask(Draft& draft, const fs::path& path, const LabelValues& label,
                    const MaskValues& values, std::optional<int> ignored) {
  std::int64_t area = 0;
  for (const int value : label.values) {
    const auto found = values.pixels.find(value);
    if (found != values.pixels.end()) area += found->second;
  }
  if (area == 0) return;
  if (label.values.size() == 1) {
    MaskSource source;
    source.label = label.label;
    source.file = path;
    source.value = label.values.front();
    source.ignore = ignored;
    const std::string id = next_mask_id(draft.record);
    draft.record.masks[id] = source;
    draft.areas[id] = area;
    return;
  }
  const MaskSamples samples = read_mask_samples(path);
  Mask mask(samples.width, samples.height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    const auto& wanted = label.values;
    mask.pixels[i] = std::find(wanted.begin(), wanted.end(), samples.values[i]) != wanted.end();
  }
  add_mask(draft, label.label, mask);
}

}  // namespace

std::int64_t MaskValues::above(std::int64_t value) const {
  std::int64_t sum = 0;
  for (auto it = pixels.upper_bound(value); it != pixels.end(); ++it) sum += it->second;
  return sum;
}

std::int64_t MaskValues::total() const {
  return static_cast<std::int64_t>(width) * static_cast<std::int64_t>(height);
}

MaskValues mask_values(const fs::path& path) {
  MaskValues values;
  values.jpeg = is_jpeg(path);
  MaskChoice choice;
  if (values.jpeg) choice.threshold = kHalf;
  const MaskSamples samples = read_mask_samples(path, choice);
  values.width = samples.width;
  values.height = samples.height;
  values.coloured = samples.coloured;
  if (samples.coloured && !values.jpeg) return values;
  for (const auto sample : samples.values) ++values.pixels[sample];
  return values;
}

std::string next_mask_id(const Record& record) { return str_cat("m", record.masks.size()); }

void add_mask(Draft& draft, const std::string& label, const Mask& mask, const std::string& kind) {
  const auto area = mask.area();
  if (area == 0) return;
  MaskSource source;
  source.label = label;
  source.kind = kind;
  source.rle = encode_rle(mask);
  const std::string id = next_mask_id(draft.record);
  draft.record.masks[id] = source;
  draft.areas[id] = area;
}

bool add_mask_file(Draft& draft, const fs::path& path, const std::vector<LabelValues>& labels,
                   Reading& reading) {
  const MaskValues values = mask_values(path);
  for (const auto& label : labels) draft.looked_for.push_back(label.label);
  if (values.coloured && !values.jpeg)
    throw DataError(path.string(), "a mask in colours; save its structures as grey values");
  if (!labels.empty() && !labels.front().values.empty()) {
    for (const auto& label : labels) add_value_mask(draft, path, label, values, reading.ignored());
    for (const auto& pixels : values.pixels) {
      const auto value = pixels.first;
      const bool named = std::any_of(labels.begin(), labels.end(), [&](const LabelValues& one) {
        return std::find(one.values.begin(), one.values.end(), value) != one.values.end();
      });
      if (!named && value != 0 && value != reading.ignored())
        reading.note(str_cat("label ", value, " has no name and is left out"));
    }
    return true;
  }
  const bool soft = values.jpeg || is_soft(values);
  if (!soft && values.pixels.size() > 2) return false;
  const auto area = soft ? values.above(kHalf) : values.above(0);
  if (soft)
    reading.note(str_cat(values.jpeg ? "JPEG masks" : "masks with soft edges",
                         ": a pixel belongs to the structure if it is above ", kHalf));
  if (area == 0) return true;
  MaskSource source;
  source.label = labels.empty() ? "target" : labels.front().label;
  source.file = path;
  if (soft) source.threshold = kHalf;
  const std::string id = next_mask_id(draft.record);
  draft.record.masks[id] = source;
  draft.areas[id] = area;
  return true;
}

}  // namespace medseg
