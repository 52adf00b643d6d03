/// \file
/// What the doctor learns from the image and the masks of a record.
#pragma once

#include <map>
#include <string>

#include "medseg/dataset/manifest.h"
#include "seen_images.h"

namespace medseg {

/// One record's findings, and what the comparison of all records needs.
struct Examined {
  int line = 0;
  std::size_t begin = 0;  ///< byte of the line
  bool is_record = false;
  ShortHash id, image_key, image, volume;
  std::string id_text, subject, split;
  bool slab = false;
  RecordFindings text;   ///< of the line itself
  RecordFindings files;  ///< of its files
  /// What is odd about the image: said once, at the first of its records.
  std::shared_ptr<const RecordFindings> odd;
  /// The same for masks, by the hash of what was read of which file.
  std::vector<std::pair<ShortHash, RecordFindings>> odd_masks;
};

/// For one thread: neighbouring records share its masks.
class FileExaminer {
 public:
  explicit FileExaminer(SeenImages& images) : images_(images) {}
  void examine(const Manifest& manifest, const Record& record, Examined& into);

 private:
  struct SeenMask {
    std::int64_t area = 0;
    RecordFindings odd;
  };

  SeenImage see_image(const Manifest& manifest, const Record& record, const ShortHash& key) const;
  void examine_mask(const Manifest& manifest, const Record& record, const std::string& id,
                    const SeenImage& image, Examined& into);

  SeenImages& images_;
  std::map<std::string, SeenMask> masks_;  ///< the last ones
};

}  // namespace medseg
