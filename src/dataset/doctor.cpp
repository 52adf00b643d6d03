#include "medseg/dataset/doctor.h"

#include <map>

#include "examine_record.h"
#include "findings.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "medseg/dataset/manifest.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// What was learnt from an image, so that dialogues about one slice cost one reading.
struct SeenImage {
  std::string digest, volume_digest;  ///< "" when unreadable
  std::string error;
  int width = 0, height = 0;
};

class Examination {
 public:
  void examine_manifest(const fs::path& path) {
    findings_.set_file(path.string());
    std::vector<ManifestLine> lines;
    try {
      lines = manifest_lines(path);
    } catch (const ManifestError& error) {
      findings_.fault(0, error.kind(), error.reason());
      return;
    } catch (const Error& error) {
      findings_.fault(0, FaultKind::kUnreadableManifest, error.what());
      return;
    }
    std::vector<Record> records;
    for (const auto& [line, json] : lines) {
      try {
        records.push_back(parse_record(json));
        records.back().line = line;
      } catch (const ManifestError& error) {
        findings_.fault(line, error.kind(), error.what());
      }
    }
    if (lines.empty()) findings_.fault(0, FaultKind::kNoRecords, "no records");
    manifests_.push_back(Manifest::of(path, std::move(records)));
    for (const auto& record : manifests_.back().records())
      examine_record(manifests_.back(), record);
  }

  void examine_leaks() {
    std::vector<LeakEntry> entries;
    std::map<const Record*, std::string> file_of_record;
    std::size_t n = 0;
    for (const auto& manifest : manifests_) {
      for (const auto& record : manifest.records()) {
        const SeenImage& image = images_.at(image_keys_[n++]);
        entries.push_back({&record, image.digest, image.volume_digest});
        file_of_record[&record] = manifest.path().string();
      }
    }
    for (const auto& leak : find_leaks(entries)) {
      if (leak.declared) continue;
      findings_.set_file(file_of_record.at(leak.first));
      findings_.fault(0, leak.kind, leak.what + " stands in splits " + join(leak.splits, ", "));
    }
  }

  Findings take() { return findings_.take(); }

 private:
  void examine_record(const Manifest& manifest, const Record& record) {
    const auto [it, is_new] =
        place_of_id_.emplace(record.id, std::pair{findings_.file(), record.line});
    if (!is_new) {
      const auto& [file, line] = it->second;
      findings_.fault(record.line, FaultKind::kDuplicateId,
                      str_cat("id \"", record.id, "\" stands in ",
                              file == findings_.file() ? "" : file + " ", "line ", line, " too"));
    }
    examine_text(record, findings_);
    const SeenImage& image = see_image(manifest, record);
    if (!image.error.empty()) {
      findings_.fault(record.line, FaultKind::kUnreadableImage, "image: " + image.error);
      return;
    }
    for (const auto& [id, mask] : record.masks) examine_mask(manifest, record, id, image);
  }

  const SeenImage& see_image(const Manifest& manifest, const Record& record) {
    const std::string key = str_cat((manifest.folder() / picture_key(record)).string(), " ",
                                    record.window, " ", record.modality);
    image_keys_.push_back(key);
    const auto [it, is_new] = images_.emplace(key, SeenImage{});
    SeenImage& seen = it->second;
    if (!is_new) return seen;
    try {
      const RecordImage read = read_image_of(manifest, record);
      seen = {picture_digest(read.image), volume_digest(manifest, record), "", read.image.width,
              read.image.height};
      examine_greys(record, read);
    } catch (const Error& error) {
      seen.error = error.what();
    }
    return seen;
  }

  void examine_greys(const Record& record, const RecordImage& read) {
    for (const auto& note : read.notes) {
      const bool turned = read.exif_orientation != 1 && note.find("EXIF") != std::string::npos;
      const auto kind = turned ? FaultKind::kTurnedImage : FaultKind::kAssumedWindow;
      findings_.warn_once(record.line, kind, "", "image: " + note);
    }
    constexpr int kFewLevels = 4;
    constexpr double kMost = 0.98;
    const GreyUse use = grey_use(read.image);
    if (use.levels < kFewLevels) {
      findings_.warn(
          record.line, FaultKind::kFlatImage,
          str_cat("image: only ", use.levels, use.levels == 1 ? " grey value" : " grey values"));
    } else if (use.black + use.white > kMost) {
      findings_.warn(
          record.line, FaultKind::kSaturatedImage,
          str_cat("image: ", fixed(100 * use.black, 1), " % of its pixels are black and ",
                  fixed(100 * use.white, 1), " % white"));
    }
  }

  void examine_mask(const Manifest& manifest, const Record& record, const std::string& id,
                    const SeenImage& image) {
    const MaskSource& source = record.masks.at(id);
    const std::string key = mask_key(manifest, record, source, image);
    std::int64_t area = 0;
    const auto known = area_of_mask_.find(key);
    if (!key.empty() && known != area_of_mask_.end()) {
      area = known->second;
    } else {
      try {
        area = read_mask_of(manifest, record, id, image.width, image.height).area();
        examine_samples(manifest, record, id, source);
      } catch (const ManifestError& error) {
        findings_.fault(record.line, error.kind(), error.what());
        return;
      } catch (const Error& error) {
        findings_.fault(record.line, FaultKind::kUnreadableMask, error.what());
        return;
      }
      if (!key.empty()) area_of_mask_[key] = area;
    }
    if (area == 0 && is_asked(record, id)) {
      findings_.fault(record.line, FaultKind::kEmptyMask, "masks." + id + ": empty behind [SEG]");
    }
  }

  void examine_samples(const Manifest& manifest, const Record& record, const std::string& id,
                       const MaskSource& source) {
    if (source.file.empty()) return;
    const auto odd = mask_oddities(manifest, record, id);
    if (!odd.soft.empty())
      findings_.warn(record.line, FaultKind::kSoftMask, "masks." + id + ": " + odd.soft);
    if (!odd.ignore.empty())
      findings_.warn(record.line, FaultKind::kIgnoreRegion, "masks." + id + ": " + odd.ignore);
    if (record.slice && !volume_format(file_of(manifest, source.file))) {
      findings_.warn_once(
          record.line, FaultKind::kSliceView, "",
          "masks." + id +
              ": an image file as mask of a slice is read as the slice is shown, front "
              "up and the patient's right on the left");
    }
  }

  /// One reading a mask file, choice of its samples, and slice; "" for masks that stand in the
  /// line.
  static std::string mask_key(const Manifest& manifest, const Record& record,
                              const MaskSource& source, const SeenImage& image) {
    if (source.file.empty()) return "";
    const auto colour = source.colour.value_or(std::array<int, 3>{-1, -1, -1});
    return str_cat((manifest.folder() / source.file).string(), " ", source.value.value_or(-1), " ",
                   colour[0], ",", colour[1], ",", colour[2], " ", source.threshold.value_or(-1),
                   " ", source.ignore.value_or(-1), " ", source.page.value_or(-1), " ", image.width,
                   " ", image.height, " ", record.slice ? picture_key(record) : "");
  }

  FindingsList findings_;
  std::vector<Manifest> manifests_;
  std::vector<std::string> image_keys_;  ///< by record, over all manifests
  std::map<std::string, SeenImage> images_;
  std::map<std::string, std::int64_t> area_of_mask_;
  std::map<std::string, std::pair<std::string, int>> place_of_id_;
};

}  // namespace

Findings examine(const std::vector<fs::path>& manifests) {
  Examination examination;
  for (const auto& path : manifests) examination.examine_manifest(path);
  examination.examine_leaks();
  return examination.take();
}

}  // namespace medseg
