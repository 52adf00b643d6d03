/// \file
/// A manifest as pictures with masks, for the writers of other formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/convert/convert.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

/// Records about one picture.
struct ExportPicture {
  std::string name;  ///< of its files: letters, digits, '-', '_' and '.'; unique
  std::string split, modality, subject;
  int width = 0, height = 0;
  std::vector<const Record*> records;
};

struct NamedMask {
  std::string label;
  Mask mask;
};

class Exporter {
 public:
  /// \throws DataError as Manifest::read, or where an image cannot be read.
  Exporter(const std::filesystem::path& manifest, std::filesystem::path folder);

  std::string manifest() const { return manifest_.path().string(); }
  const std::vector<ExportPicture>& pictures() const { return pictures_; }

  /// The masks of a picture's records, those of one label united, in the order of labels.
  std::vector<NamedMask> masks_by_label(const ExportPicture& picture) const;
  /// The mask of one `[SEG]`.
  Mask mask_of(const ExportPicture& picture, const Record& record,
               const std::vector<std::string>& ids) const;

  /// `name` is relative to the output folder. The image as 8-bit PNG; a file that is one already
  /// (PNG or JPEG, seen upright, no slice) has the same pixels.
  void write_image(const ExportPicture& picture, const std::string& name);
  void write_mask(const Mask& mask, const std::string& name);  ///< PNG, 0 and 255
  void write_grey(const Image& image, const std::string& name, std::int64_t masks);
  void write_text(const std::string& name, const std::string& text);

  /// Writes every picture as images/NAME.png, and SPLIT.json (all.json where there is no split)
  /// with the list of what `add` puts in for each picture of that split.
  using AddItems = std::function<void(const ExportPicture& picture, const std::string& image,
                                      nlohmann::ordered_json& list)>;
  void write_list_of_each_split(const AddItems& add);

  /// Letters, digits, '-' and '.'; everything else becomes `other`.
  static std::string file_word(const std::string& text, char other = '_');

  void skip(const std::string& reason, const std::string& item);
  void note(const std::string& line) { summary_.notes.push_back(line); }
  void count_masks(std::int64_t masks) { summary_.masks += masks; }
  ExportSummary take() { return std::move(summary_); }

 private:
  Manifest manifest_;
  std::filesystem::path folder_;
  std::vector<ExportPicture> pictures_;
  ExportSummary summary_;
};

}  // namespace medseg
