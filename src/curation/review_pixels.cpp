#include "review_pixels.h"

#include <algorithm>
#include <cstring>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

constexpr std::size_t kVolumesKept = 3;

bool is_volume(const std::filesystem::path& path) { return volume_format(path).has_value(); }

std::string float_bytes(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// The values of an axial slice in the layout that `axial_slice` draws: front up, the patient's
/// right on the left.
std::vector<float> shown_values(const Volume& slice) {
  std::vector<float> values;
  values.reserve(slice.voxels.size());
  for (std::int64_t j = slice.size[1]; j-- > 0;) {
    for (std::int64_t i = slice.size[0]; i-- > 0;) values.push_back(slice.at(i, j, 0));
  }
  return values;
}

Manifest alone(const std::filesystem::path& folder, const Record& record) {
  return Manifest::of_line(folder / "manifest.jsonl", record);
}

}  // namespace

std::shared_ptr<const Volume> ReviewPixels::volume(const Record& record) {
  const std::string key =
      str_cat(record.image.string(), "#", record.slice ? record.slice->volume.value_or(-1) : -1);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const auto& one) { return one.first == key; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return kept_.front().second;
  }
  const auto path = file_of(alone(folder_, record), record.image);
  auto opened = std::make_shared<const Volume>(
      to_canonical(read_volume(path, record.slice ? record.slice->volume : std::nullopt)));
  kept_.emplace_front(key, opened);
  if (kept_.size() > kVolumesKept) kept_.pop_back();
  return opened;
}

PixelInfo ReviewPixels::read_info(const Record& record) {
  const Manifest manifest = alone(folder_, record);
  const RecordImage shown = read_image_of(manifest, record);
  PixelInfo info;
  info.width = shown.image.width;
  info.height = shown.image.height;
  info.channels = shown.image.channels;
  if (shown.window) {
    info.low = shown.window->low;
    info.high = shown.window->high;
  }
  if (shown.spacing_mm) info.spacing_mm = {(*shown.spacing_mm)[0], (*shown.spacing_mm)[1]};
  if (record.slice && is_volume(file_of(manifest, record.image))) {
    info.slices = volume(record)->size[static_cast<std::size_t>(record.slice->axis)];
    info.slice = record.slice->index;
  }
  return info;
}

std::string ReviewPixels::read_values(const Record& record, std::int64_t slice) {
  const auto path = file_of(alone(folder_, record), record.image);
  if (record.slice && is_volume(path)) {
    const auto opened = volume(record);
    const int axis = record.slice->axis;
    if (slice < 0 || slice >= opened->size[static_cast<std::size_t>(axis)])
      throw DataError("slice", str_cat(slice, " is out of range"));
    return float_bytes(shown_values(slice_along(*opened, axis, slice)));
  }
  if (slice != 0) throw DataError("slice", str_cat(slice, " of a picture; expected 0"));
  if (is_volume(path)) {  // a single DICOM image: through its window
    const Image image = read_image_of(alone(folder_, record), record).image;
    return float_bytes({image.pixels.begin(), image.pixels.end()});
  }
  const auto file = read_image_file(path, record.page);
  if (const auto* deep = std::get_if<Image16>(&file.pixels))
    return float_bytes({deep->pixels.begin(), deep->pixels.end()});
  const auto& image = std::get<Image>(file.pixels);
  if (image.channels == 3) return {image.pixels.begin(), image.pixels.end()};
  return float_bytes({image.pixels.begin(), image.pixels.end()});
}

Mask ReviewPixels::read_mask(const Record& record, const std::string& id, const PixelInfo& info) {
  return read_mask_of(alone(folder_, record), record, id, info.width, info.height);
}

}  // namespace medseg
