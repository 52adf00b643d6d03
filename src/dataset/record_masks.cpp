// Masks of records: image files, label volumes, runs and polygons.
#include <cmath>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/volume/dicom.h"
#include "volume_cache.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

MaskChoice choice_of(const MaskSource& source) {
  return {source.value, source.colour, source.threshold, source.ignore, source.page};
}

std::string grid_text(const Volume& volume) {
  const auto spacing = volume.spacing_mm();
  return str_cat(volume.size[0], " x ", volume.size[1], " x ", volume.size[2], " voxels of ",
                 fixed(spacing[0], 3), " x ", fixed(spacing[1], 3), " x ", fixed(spacing[2], 3),
                 " mm from (", fixed(volume.affine[0][3], 2), ", ", fixed(volume.affine[1][3], 2),
                 ", ", fixed(volume.affine[2][3], 2), ")");
}

/// The record's slice of a label volume that lies on the grid of its image.
Volume label_slice(const Manifest& manifest, const Record& record, const fs::path& file,
                   const MaskSource& source) {
  if (!record.slice) {
    throw DataError(file.string(),
                    "a label volume; the record needs a \"slice\" to be taken of it");
  }
  const bool is_segmentation = volume_format(file) == VolumeFormat::kDicomSegmentation;
  // Segments may overlap, so each is read by itself.
  const auto index = is_segmentation && !source.page ? source.value : source.page;
  const auto cached =
      cached_volume(file, index ? std::optional<std::int64_t>(*index) : std::nullopt);
  const Volume& labels = cached->turned;
  const fs::path image = file_of(manifest, record.image);
  if (volume_format(image)) {
    const auto cached_image = cached_volume(image, record.slice->volume);
    const Volume& grid = cached_image->turned;
    const bool same = same_grid(labels, grid);
    if (!same && is_segmentation) {
      if (auto laid = slice_laid_on(labels, grid, record.slice->axis, record.slice->index))
        return *std::move(laid);
    }
    if (!same) {
      throw DataError(file.string(), "a label volume on another grid than its image: " +
                                         grid_text(labels) + ", the image has " + grid_text(grid));
    }
  }
  const auto count = labels.size[static_cast<std::size_t>(record.slice->axis)];
  if (record.slice->index >= count) {
    throw DataError(file.string(), str_cat("slice ", record.slice->index, " is out of range: ",
                                           count, " slices along axis ", record.slice->axis));
  }
  return slice_along(labels, record.slice->axis, record.slice->index);
}

/// Voxels that `wanted` accepts, seen as the image of the slice is.
template <class Wanted>
Mask slice_mask(Volume slice, const Wanted& wanted) {
  for (auto& voxel : slice.voxels)
    voxel = std::isfinite(voxel) && wanted(static_cast<double>(voxel)) ? 1.0F : 0.0F;
  return axial_mask(slice, 0);
}

Mask label_mask(const Volume& slice, const MaskSource& source) {
  return slice_mask(slice, [&](double voxel) {
    const auto label = std::llround(voxel);
    if (source.ignore && label == *source.ignore) return false;
    if (source.threshold) return voxel > *source.threshold;
    return source.value ? label == *source.value : label != 0;
  });
}

/// `path` where the mask is a label volume.
std::optional<fs::path> label_volume(const Manifest& manifest, const MaskSource& source) {
  if (source.file.empty()) return std::nullopt;
  fs::path path = file_of(manifest, source.file);
  return volume_format(path) ? std::optional<fs::path>(std::move(path)) : std::nullopt;
}

void check_size(const Mask& mask, int width, int height) {
  if (mask.width == width && mask.height == height) return;
  const bool turned = mask.width == height && mask.height == width;
  throw ManifestError(
      FaultKind::kMaskSize, "",
      str_cat(mask.width, " x ", mask.height, " pixels, but the picture has ", width, " x ", height,
              turned ? "; it is turned by a quarter against its image" : ""));
}

const MaskSource& source_of(const Record& record, const std::string& id) {
  const auto found = record.masks.find(id);
  if (found == record.masks.end())
    throw ManifestError(FaultKind::kUnknownMask, "masks", "unknown mask \"" + id + "\"");
  return found->second;
}

Mask read_source(const Manifest& manifest, const Record& record, const MaskSource& source,
                 int width, int height) {
  if (const auto volume = label_volume(manifest, source))
    return label_mask(label_slice(manifest, record, *volume, source), source);
  if (!source.file.empty()) return read_mask(file_of(manifest, source.file), choice_of(source));
  if (source.rle) return decode_rle(*source.rle);
  return fill_polygons(source.polygons, width, height);
}

}  // namespace

Mask read_mask_of(const Manifest& manifest, const Record& record, const std::string& id, int width,
                  int height) {
  const MaskSource& source = source_of(record, id);
  return with_place("masks." + id, [&] {
    Mask mask = read_source(manifest, record, source, width, height);
    check_size(mask, width, height);
    return mask;
  });
}

Mask load_ignored(const Manifest& manifest, const Record& record,
                  const std::vector<std::string>& ids, int width, int height) {
  const std::string line = str_cat(manifest.path().string(), ":", record.line);
  return raised_as<DataError>(line, [&] {
    Mask all(width, height);
    for (const auto& id : ids) {
      const MaskSource& source = source_of(record, id);
      if (!source.ignore) continue;
      all = mask_union(
          all, with_place("masks." + id, [&] {
            Mask mask;
            if (const auto volume = label_volume(manifest, source)) {
              mask = slice_mask(label_slice(manifest, record, *volume, source), [&](double voxel) {
                return std::llround(voxel) == *source.ignore;
              });
            } else {
              const auto choice = choice_of(source);
              mask = ignored_of(read_mask_samples(file_of(manifest, source.file), choice), choice);
            }
            check_size(mask, width, height);
            return mask;
          }));
    }
    return all;
  });
}

MaskOddities mask_oddities(const Manifest& manifest, const Record& record, const std::string& id) {
  const MaskSource& source = source_of(record, id);
  if (source.file.empty() || label_volume(manifest, source)) return {};
  const auto choice = choice_of(source);
  return oddities_of(read_mask_samples(file_of(manifest, source.file), choice), choice);
}

}  // namespace medseg
