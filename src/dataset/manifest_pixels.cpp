// Images of records.
#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"
#include "medseg/volume/dicom.h"
#include "volume_cache.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::string line_of(const Manifest& manifest, const Record& record) {
  return str_cat(manifest.path().string(), ":", record.line);
}

std::optional<std::int64_t> volume_index(const Record& record) {
  return record.slice ? record.slice->volume : std::nullopt;
}

/// A single DICOM file needs no slice: its rows are shown as they are stored.
bool is_single_image(const Record& record, const Volume& stored) {
  return !record.slice && stored.size[2] == 1;
}

/// The stored rows from the top and columns from the left, in the layout that `axial_slice` draws.
Volume as_stored(const Volume& stored) {
  Volume shown = stored;
  const auto spacing = stored.spacing_mm();
  shown.affine = {{{spacing[0], 0, 0, 0}, {0, spacing[1], 0, 0}, {0, 0, spacing[2], 0}}};
  std::reverse(shown.voxels.begin(), shown.voxels.end());
  return shown;
}

RecordImage shown_slice(const Volume& volume, const Volume& slice, const Record& record) {
  auto chosen = choose_window(volume, record.modality, record.window);
  RecordImage shown;
  shown.image = axial_slice(slice, 0, chosen.window);
  shown.window = chosen.window;
  shown.assumed_window = chosen.assumed;
  shown.notes = volume.notes;
  shown.notes.insert(shown.notes.end(), chosen.notes.begin(), chosen.notes.end());
  const auto spacing = slice.spacing_mm();
  shown.spacing_mm = record.spacing_mm;
  if (!shown.spacing_mm) shown.spacing_mm = {{spacing[0], spacing[1]}};
  return shown;
}

/// A DICOM file of one image in colours.
std::optional<RecordImage> colour_image(const fs::path& path, const Record& record) {
  auto image = read_dicom_colour(path);
  if (!image) return std::nullopt;
  RecordImage shown;
  shown.image = *std::move(image);
  shown.spacing_mm = record.spacing_mm;
  return shown;
}

RecordImage slice_image(const fs::path& path, VolumeFormat format, const Record& record) {
  if (!record.slice && format == VolumeFormat::kDicom) {
    const Volume stored = read_volume(path);
    if (is_single_image(record, stored)) {
      if (auto coloured = colour_image(path, record)) return *std::move(coloured);
      return shown_slice(stored, as_stored(stored), record);
    }
  }
  if (!record.slice) {
    throw DataError(record.image.string() +
                    " is a volume; expected \"slice\": {\"axis\": 2, \"index\": N}");
  }
  const Volume& volume = cached_volume(path, volume_index(record))->turned;
  const int axis = record.slice->axis;
  const auto count = volume.size[static_cast<std::size_t>(axis)];
  if (record.slice->index >= count) {
    throw DataError("slice.index",
                    str_cat(record.slice->index, " is out of range: ", record.image.string(),
                            " has ", count, " slices along axis ", axis));
  }
  return shown_slice(volume, slice_along(volume, axis, record.slice->index), record);
}

RecordImage file_image(const fs::path& path, const Record& record) {
  auto file = read_image_file(path, record.page);
  RecordImage shown;
  shown.exif_orientation = file.exif_orientation;
  shown.spacing_mm = record.spacing_mm;
  if (file.exif_orientation != 1) {
    shown.notes.push_back(str_cat("the file says that it is turned (EXIF orientation ",
                                  file.exif_orientation,
                                  "): it is shown upright, and so are its masks"));
  }
  if (auto* image = std::get_if<Image>(&file.pixels)) {
    shown.image = std::move(*image);
    return shown;
  }
  const auto& deep = std::get<Image16>(file.pixels);
  auto chosen = choose_window(deep, record.modality, record.window);
  shown.image = through_window(deep, chosen.window);
  shown.window = chosen.window;
  shown.assumed_window = chosen.assumed;
  shown.notes.insert(shown.notes.end(), chosen.notes.begin(), chosen.notes.end());
  return shown;
}

}  // namespace

RecordImage read_image_of(const Manifest& manifest, const Record& record) {
  const fs::path path = file_of(manifest, record.image);
  const auto format = volume_format(path);
  return format ? slice_image(path, *format, record) : file_image(path, record);
}

std::string volume_digest(const Manifest& manifest, const Record& record) {
  const fs::path path = file_of(manifest, record.image);
  if (!record.slice || !volume_format(path)) return "";
  const auto cached = cached_volume(path, volume_index(record));
  if (cached->digest.empty()) {
    const auto& volume = cached->turned;
    Sha256 sum;
    sum.add(str_cat(volume.size[0], "x", volume.size[1], "x", volume.size[2], ":"));
    sum.add(std::span(reinterpret_cast<const std::uint8_t*>(volume.voxels.data()),
                      volume.voxels.size() * sizeof(float)));
    cached->digest = sum.text();
  }
  return cached->digest;
}

Image load_image(const Manifest& manifest, const Record& record) {
  return raised_as<DataError>(line_of(manifest, record),
                              [&] { return read_image_of(manifest, record).image; });
}

Mask load_mask(const Manifest& manifest, const Record& record, const std::vector<std::string>& ids,
               int width, int height) {
  return raised_as<DataError>(line_of(manifest, record), [&] {
    Mask all(width, height);
    for (const auto& id : ids)
      all = mask_union(all, read_mask_of(manifest, record, id, width, height));
    return all;
  });
}

}  // namespace medseg
