#include "examine_files.h"

#include "examine_geometry.h"
#include "examine_record.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "volume_cache.h"

namespace medseg {
namespace {

constexpr std::size_t kKeptMasks = 256;

void examine_greys(int line, const RecordImage& read, RecordFindings& findings) {
  for (const auto& note : read.notes) {
    const bool turned = read.exif_orientation != 1 && note.find("EXIF") != std::string::npos;
    const auto kind = turned ? FaultKind::kTurnedImage : FaultKind::kAssumedWindow;
    findings.warn_once(line, kind, "", "image: " + note);
  }
  constexpr int kFewLevels = 4;
  constexpr double kMost = 0.98;
  const GreyUse use = grey_use(read.image);
  if (use.levels < kFewLevels) {
    findings.warn(
        line, FaultKind::kFlatImage,
        str_cat("image: only ", use.levels, use.levels == 1 ? " grey value" : " grey values"));
  } else if (use.black + use.white > kMost) {
    findings.warn(line, FaultKind::kSaturatedImage,
                  str_cat("image: ", fixed(100 * use.black, 1), " % of its pixels are black and ",
                          fixed(100 * use.white, 1), " % white"));
  }
}

void examine_slice(const Manifest& manifest, const Record& record, RecordFindings& findings) {
  const auto path = file_of(manifest, record.image);
  if (!record.slice || !volume_format(path)) return;
  const auto cached = cached_volume(path, record.slice->volume);
  const auto axis = static_cast<std::size_t>(record.slice->axis);
  const auto note =
      slice_number_note(*record.slice, cached->stored_axes, cached->turned.size[axis]);
  if (!note.empty()) findings.warn_once(record.line, FaultKind::kSliceView, "number", note);
}

RecordFindings mask_samples(const Manifest& manifest, const Record& record, const std::string& id,
                            const MaskSource& source, const SeenImage& image) {
  RecordFindings findings;
  const auto polygons = polygon_oddity(source, image.width, image.height);
  if (!polygons.empty())
    findings.warn(record.line, FaultKind::kMaskSize, "masks." + id + ": " + polygons);
  if (source.file.empty()) return findings;
  const auto odd = mask_oddities(manifest, record, id);
  if (!odd.soft.empty())
    findings.warn(record.line, FaultKind::kSoftMask, "masks." + id + ": " + odd.soft);
  if (!odd.ignore.empty())
    findings.warn(record.line, FaultKind::kIgnoreRegion, "masks." + id + ": " + odd.ignore);
  if (record.slice && !volume_format(file_of(manifest, source.file))) {
    findings.warn_once(record.line, FaultKind::kSliceView, "",
                       "masks." + id +
                           ": an image file as mask of a slice is read as the slice is shown, "
                           "front up and the patient's right on the left");
  }
  return findings;
}

/// One reading a mask file, choice of its samples, and slice; "" for masks that stand in the line.
std::string mask_key(const Manifest& manifest, const Record& record, const MaskSource& source,
                     const SeenImage& image) {
  if (source.file.empty()) return "";
  const auto colour = source.colour.value_or(std::array<int, 3>{-1, -1, -1});
  return str_cat((manifest.folder() / source.file).string(), " ", source.value.value_or(-1), " ",
                 colour[0], ",", colour[1], ",", colour[2], " ", source.threshold.value_or(-1), " ",
                 source.ignore.value_or(-1), " ", source.page.value_or(-1), " ", image.width, " ",
                 image.height, " ", record.slice ? picture_key(record) : "");
}

}  // namespace

void FileExaminer::examine(const Manifest& manifest, const Record& record, Examined& into) {
  into.image_key = short_hash(str_cat((manifest.folder() / picture_key(record)).string(), " ",
                                      record.window, " ", record.modality));
  const SeenImage image = see_image(manifest, record, into.image_key);
  into.image = image.digest;
  into.volume = image.volume_digest;
  into.odd = image.odd;
  if (image.error) {
    into.files.fault(record.line, FaultKind::kUnreadableImage, "image: " + *image.error);
    return;
  }
  for (const auto& [id, mask] : record.masks) examine_mask(manifest, record, id, image, into);
}

SeenImage FileExaminer::see_image(const Manifest& manifest, const Record& record,
                                  const ShortHash& key) const {
  if (const auto known = images_.find(key)) return *known;
  SeenImage seen;
  try {
    const RecordImage read = read_image_of(manifest, record);
    seen.width = read.image.width;
    seen.height = read.image.height;
    seen.digest = short_hash_of_digest(picture_digest(read.image));
    seen.volume_digest = short_hash_of_digest(volume_digest(manifest, record));
    RecordFindings odd;
    examine_greys(record.line, read, odd);
    examine_slice(manifest, record, odd);
    if (!odd.found().empty()) seen.odd = std::make_shared<const RecordFindings>(std::move(odd));
  } catch (const Error& error) {
    seen.error = std::make_shared<const std::string>(error.what());
  }
  images_.add(key, seen);
  return seen;
}

void FileExaminer::examine_mask(const Manifest& manifest, const Record& record,
                                const std::string& id, const SeenImage& image, Examined& into) {
  const MaskSource& source = record.masks.at(id);
  const std::string key = mask_key(manifest, record, source, image);
  auto known = key.empty() ? masks_.end() : masks_.find(key);
  SeenMask seen;
  if (known != masks_.end()) {
    seen = known->second;
  } else {
    try {
      seen.area = read_mask_of(manifest, record, id, image.width, image.height).area();
      seen.odd = mask_samples(manifest, record, id, source, image);
    } catch (const ManifestError& error) {
      into.files.fault(record.line, error.kind(), error.what());
      return;
    } catch (const Error& error) {
      into.files.fault(record.line, FaultKind::kUnreadableMask, error.what());
      return;
    }
    if (masks_.size() >= kKeptMasks) masks_.clear();
    if (!key.empty()) masks_[key] = seen;
  }
  if (!seen.odd.found().empty()) {
    const std::string once = key.empty() ? str_cat(hex(into.id), " ", record.line, " ", id) : key;
    into.odd_masks.emplace_back(short_hash(once), seen.odd);
  }
  if (seen.area == 0 && is_asked(record, id)) {
    into.files.fault(record.line, FaultKind::kEmptyMask, "masks." + id + ": empty behind [SEG]");
  }
}

}  // namespace medseg
